/** Which documents go to another replica when some fail, while nothing else is going on. */
import type { Balancer } from "./affinity-balancers.ts";
import type { Arrival } from "./affinity-trace.ts";

export interface Moves {
  /** Of the documents whose replica stayed, those that another one gets after the failures. */
  readonly whenAway: number;
  /** Of the same documents, those that are not where they were before the failures when all are back. */
  readonly whenBack: number;
}

/** Documents that are followed. */
const MOST_DOCUMENTS = 5_000;
/** Of the replicas, one in so many fails. */
const EVERY = 100;

export function movesOf(balancer: Balancer, trace: readonly Arrival[], replicas: number): Moves {
  const latest = new Map(trace.map((arrival) => [arrival.document, arrival]));
  const followed = [...latest.values()].slice(0, MOST_DOCUMENTS);
  const place = (): readonly number[] => followed.map((arrival) => balancer.route(arrival, [], 0));
  place();
  const before = place();
  const failing = Array.from({ length: Math.ceil(replicas / EVERY) }, (_, index) => index * EVERY);
  for (const number of failing) balancer.away(number);
  const away = place();
  for (const number of failing) balancer.back(number);
  const back = place();
  const stayed = [...before.keys()].filter((index) => !failing.includes(before[index] ?? Number.NaN));
  const movedIn = (after: readonly number[]): number =>
    stayed.filter((index) => after[index] !== before[index]).length / stayed.length;
  return { whenAway: movedIn(away), whenBack: movedIn(back) };
}
