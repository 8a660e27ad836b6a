/** Continuo's own choice of a replica, and those that it is compared with. */
import type { Engine, EngineStats, Health } from "../src/continuation/engine.ts";
import { hash, type PolicyName } from "../src/pool/policy.ts";
import { Replica } from "../src/pool/replica.ts";
import { Router } from "../src/pool/router.ts";
import { Random } from "../test/support/random.ts";
import type { Arrival } from "./affinity-trace.ts";

/** A gateway's view of the replicas, which have numbers. */
export interface Balancer {
  /** @param failed replicas that have failed this request. */
  route(arrival: Arrival, failed: readonly number[], nowMs: number): number;
  began(number: number): void;
  ended(number: number): void;
  /** It did not answer. */
  failed(number: number, nowMs: number): void;
  /** Everybody knows that it is not there. */
  away(number: number): void;
  back(number: number): void;
}

/** The code of `src/pool` as it runs in the server. */
export class Continuo implements Balancer {
  readonly #engines: readonly SimulatedEngine[];
  readonly #replicas: readonly Replica[];
  readonly #numberOf: ReadonlyMap<Replica, number>;
  readonly #router: Router;
  #nowMs = 0;

  constructor(policy: PolicyName, replicas: number, seed: number) {
    this.#engines = Array.from({ length: replicas }, (_, index) => new SimulatedEngine(`replica-${index}`));
    this.#replicas = this.#engines.map((engine) => new Replica(engine, 1, () => this.#nowMs));
    this.#numberOf = new Map(this.#replicas.map((replica, index) => [replica, index]));
    const random = new Random(seed);
    this.#router = new Router({ replicas: this.#replicas, policy, random: () => random.uniform() });
  }

  route({ beginning }: Arrival, failed: readonly number[], nowMs: number): number {
    this.#nowMs = nowMs;
    const replica = this.#router.route(
      beginning,
      failed.map((number) => at(this.#replicas, number)),
    );
    return this.#numberOf.get(replica) ?? Number.NaN;
  }

  began(number: number): void {
    at(this.#replicas, number).begin();
  }

  ended(number: number): void {
    at(this.#replicas, number).end();
    at(this.#replicas, number).succeeded();
  }

  failed(number: number, nowMs: number): void {
    this.#nowMs = nowMs;
    at(this.#replicas, number).failed();
  }

  away(number: number): void {
    at(this.#engines, number).state = "failed";
  }

  back(number: number): void {
    at(this.#engines, number).state = "ready";
  }
}

/** What a router asks of an engine. */
class SimulatedEngine implements Engine {
  readonly name: string;
  state: Health["state"] = "ready";

  constructor(name: string) {
    this.name = name;
  }

  model(): Promise<never> {
    return Promise.reject(new Error("nothing is generated here"));
  }

  // biome-ignore lint/correctness/useYield: it is never asked.
  async *generate(): AsyncGenerator<never> {
    throw new Error("nothing is generated here");
  }

  health(): Health {
    return { state: this.state, detail: "" };
  }

  stats(): EngineStats {
    return { running: 0, promptTokens: 0, completionTokens: 0 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

/** What the others know of the replicas. */
abstract class Peer implements Balancer {
  protected readonly running: Int32Array;
  protected readonly isUp: boolean[];

  constructor(replicas: number) {
    this.running = new Int32Array(replicas);
    this.isUp = Array.from({ length: replicas }, () => true);
  }

  abstract route(arrival: Arrival, failed: readonly number[]): number;

  began(number: number): void {
    this.running[number] = (this.running[number] ?? 0) + 1;
  }

  ended(number: number): void {
    this.running[number] = (this.running[number] ?? 0) - 1;
  }

  failed(): void {}

  away(number: number): void {
    this.isUp[number] = false;
  }

  back(number: number): void {
    this.isUp[number] = true;
  }
}

/** One after the other. */
export class RoundRobin extends Peer {
  #next = 0;

  route(_arrival: Arrival, failed: readonly number[]): number {
    for (let tried = 0; tried < this.isUp.length; tried += 1) {
      const number = this.#next;
      this.#next = (this.#next + 1) % this.isUp.length;
      if (this.isUp[number] === true && !failed.includes(number)) return number;
    }
    throw new Error("no replica is left");
  }
}

/** Points of a replica on the circle. */
const POINTS = 100;

/**
 * Consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2016): the first replica behind the key on a
 * circle that has at most `bound` times its part of all requests under way.
 */
export class BoundedHashing extends Peer {
  readonly #points: readonly { readonly place: number; readonly number: number }[];
  readonly #keyOf: (arrival: Arrival) => number;
  readonly #bound: number;

  constructor(replicas: number, keyOf: (arrival: Arrival) => number, bound = 1.25) {
    super(replicas);
    this.#keyOf = keyOf;
    this.#bound = bound;
    const points = Array.from({ length: replicas * POINTS }, (_, index) => {
      const number = Math.floor(index / POINTS);
      return { place: hash(`replica-${number} ${index % POINTS}`), number };
    });
    this.#points = points.sort((a, b) => a.place - b.place);
  }

  route(arrival: Arrival, failed: readonly number[]): number {
    let [all, up] = [1, 0];
    for (const [number, isUp] of this.isUp.entries()) {
      all += this.running[number] ?? 0;
      up += Number(isUp);
    }
    const most = Math.ceil((this.#bound * all) / up);
    const key = hash(String(this.#keyOf(arrival)));
    let [low, high] = [0, this.#points.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (at(this.#points, middle).place < key) low = middle + 1;
      else high = middle;
    }
    for (let step = 0; step < this.#points.length; step += 1) {
      const { number } = at(this.#points, (low + step) % this.#points.length);
      const isFree = (this.running[number] ?? 0) + 1 <= most;
      if (isFree && this.isUp[number] === true && !failed.includes(number)) return number;
    }
    throw new Error("no replica is left");
  }
}

/** Measures what a choice costs. */
export class Timed implements Balancer {
  readonly tookUs: number[] = [];
  readonly #balancer: Balancer;

  constructor(balancer: Balancer) {
    this.#balancer = balancer;
  }

  route(arrival: Arrival, failed: readonly number[], nowMs: number): number {
    const before = performance.now();
    const number = this.#balancer.route(arrival, failed, nowMs);
    this.tookUs.push(1_000 * (performance.now() - before));
    return number;
  }

  began(number: number): void {
    this.#balancer.began(number);
  }

  ended(number: number): void {
    this.#balancer.ended(number);
  }

  failed(number: number, nowMs: number): void {
    this.#balancer.failed(number, nowMs);
  }

  away(number: number): void {
    this.#balancer.away(number);
  }

  back(number: number): void {
    this.#balancer.back(number);
  }
}

function at<T>(all: readonly T[], index: number): T {
  const one = all[index];
  if (one === undefined) throw new RangeError(`there is no number ${index}`);
  return one;
}
