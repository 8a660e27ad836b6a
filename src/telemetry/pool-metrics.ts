import { Counter, Gauge, type Registry } from "prom-client";

/** What a pool of replicas did since the start, and does at this moment. */
export interface PoolFigures {
  readonly retries: number;
  readonly resumes: number;
  readonly hedges: number;
  readonly hedgeWins: number;
  readonly replicas: readonly {
    readonly name: string;
    readonly running: number;
    readonly isUp: boolean;
    readonly isBroken: boolean;
    readonly failures: number;
  }[];
}

/** @param pools asked at every scrape. */
export function registerPoolMetrics(
  registry: Registry,
  pools: () => readonly { readonly name: string; readonly figures: PoolFigures }[],
): void {
  const counters = [
    ["continuo_pool_retries_total", "Requests that another replica began anew.", "retries"],
    ["continuo_pool_resumes_total", "Answers that broke off and went on with another replica.", "resumes"],
    ["continuo_pool_hedges_total", "Requests that a second replica got while the first was silent.", "hedges"],
    ["continuo_pool_hedge_wins_total", "Hedged requests whose text came from the second replica.", "hedgeWins"],
  ] as const;
  for (const [name, help, figure] of counters) {
    new Counter({
      ...{ name, help, labelNames: ["model"], registers: [registry] },
      collect() {
        this.reset(); // the pool counts
        for (const { name: model, figures } of pools()) this.inc({ model }, figures[figure]);
      },
    });
  }
  new Counter({
    name: "continuo_pool_replica_failures_total",
    help: "Requests that the replica did not answer, or broke off.",
    labelNames: ["model", "replica"],
    registers: [registry],
    collect() {
      this.reset();
      for (const { name: model, figures } of pools()) {
        for (const { name: replica, failures } of figures.replicas) this.inc({ model, replica }, failures);
      }
    },
  });
  const gauges = [
    ["continuo_pool_replica_running", "Requests of the pool under way at the replica.", "running"],
    ["continuo_pool_replica_up", "1: the replica is asked. 0: it is away, or failed too often.", "isUp"],
    ["continuo_pool_replica_broken", "1: it failed too often in a row and is left alone for a while.", "isBroken"],
  ] as const;
  for (const [name, help, figure] of gauges) {
    new Gauge({
      ...{ name, help, labelNames: ["model", "replica"], registers: [registry] },
      collect() {
        for (const { name: model, figures } of pools()) {
          for (const replica of figures.replicas) this.set({ model, replica: replica.name }, Number(replica[figure]));
        }
      },
    });
  }
}
