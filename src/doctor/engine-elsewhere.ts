import type { Config, EngineConfig, EngineModelConfig } from "../config/config.ts";
import { engineModels } from "../config/models.ts";
import { describePeer } from "../engines/remote/describe-peer.ts";
import { NothingFound, probeAddress } from "../engines/remote/probe-address.ts";
import { type Finding, ok, problem, reasonOf, warning } from "./finding.ts";

/** Milliseconds for one engine to say what it can do. */
const PATIENCE_MS = 15_000;

/** Every model that an engine elsewhere answers, and engines that no model names. */
export function examineEngines(config: Config): readonly (Finding | Promise<Finding>)[] {
  const models = engineModels(config);
  return config.engines.flatMap((engine): readonly (Finding | Promise<Finding>)[] => {
    const ofIt = models.filter((model) => model.engine === engine.name);
    if (ofIt.length > 0) return ofIt.map((model) => examineModel(engine, model));
    return [
      warning(`engine ${engine.name}`, "no model names it", `add \`models: { NAME: { engine: ${engine.name} } }\``),
    ];
  });
}

async function examineModel(engine: EngineConfig, { name, ...model }: EngineModelConfig): Promise<Finding> {
  const what = `model ${name}`;
  const { prefix, kind } = engine;
  const about = { ...model, ...(prefix !== undefined && { prefix }) };
  try {
    const { peer } = await probeAddress(engine, kind, about, AbortSignal.timeout(PATIENCE_MS));
    return ok(what, `${describePeer(peer)}; at ${engine.url}`);
  } catch (error) {
    const advice = "start the engine, or mend its url, key or kind; the server starts without it and asks again";
    const [attempt] = error instanceof NothingFound ? error.attempts : [];
    return problem(what, `${kind} at ${engine.url}: ${attempt?.reason ?? reasonOf(error)}`, advice);
  }
}
