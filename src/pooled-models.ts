/** Models that several others answer. */
import type { Config, PoolModel } from "./config/config.ts";
import { poolModels } from "./config/models.ts";
import type { Engine } from "./continuation/engine.ts";
import { laterOn } from "./local-models.ts";
import { Pool } from "./pool/pool.ts";
import type { Log } from "./telemetry/log.ts";

export interface PoolServed {
  readonly model: PoolModel;
  readonly engine: Pool;
}

/** @param engineOf the engine of a model in a file or elsewhere, by the model's name. */
export function servePools(
  config: Config,
  engineOf: (name: string) => Engine | undefined,
  log: Log,
): readonly PoolServed[] {
  return poolModels(config).map((model) => {
    const { name, policy, maxResumes, hedge } = model;
    const replicas = model.replicas.map(({ model: replica, weight }) => {
      const engine = engineOf(replica);
      if (engine === undefined) throw new Error(`replica ${replica} was not checked`);
      return { engine, weight };
    });
    const engine = new Pool({
      ...{ name, replicas, policy, maxResumes, ...(hedge !== undefined && { hedge }) },
      after: laterOn,
      now: () => performance.now(),
      random: Math.random,
      report: ({ callId, sentTokens, ...event }) => {
        const what = sentTokens > 0 ? "an answer that broke off goes on elsewhere" : "a request is tried elsewhere";
        log.warn({ model: name, ...event, sentTokens, ...(callId !== undefined && { requestId: callId }) }, what);
      },
    });
    return { model, engine };
  });
}
