/** Replicas in virtual time: each evaluates one prompt at a time, generates for several requests, and keeps what it has evaluated. */
import { Random } from "../test/support/random.ts";
import type { Balancer } from "./affinity-balancers.ts";
import { type Arrival, BLOCK_TOKENS } from "./affinity-trace.ts";

export interface ClusterOptions {
  readonly replicas: number;
  /** One for each gateway; requests are spread over them. */
  readonly balancers: readonly Balancer[];
  readonly failures: FailureOptions;
}

export interface FailureOptions {
  readonly seed: number;
  /** Between two failures, on average; one replica fails and loses its cache. Infinity: none does. */
  readonly everyMs: number;
  /** How long it is away. */
  readonly awayMs: number;
}

export interface ClusterFigures {
  /** Of the prompt tokens of the measured requests, those that needed no evaluation. */
  readonly hitRate: number;
  /** Of the replicas that were up, over all samples: the most requests under way, and the 99th percentile, by the mean. */
  readonly mostByMean: number;
  readonly p99ByMean: number;
  /** From a request's arrival until its prompt was being evaluated, and until it was. */
  readonly queuedMs: readonly number[];
  readonly firstTokenMs: readonly number[];
  /** Requests that a failed replica had under way. */
  readonly triedAgain: number;
}

/** Of a replica: a small GPU with a model of about 7B parameters. */
const SLOTS = 16;
const PREFILL_TOKENS_PER_MS = 4;
const MS_PER_TOKEN = 25;
const CACHE_BLOCKS = 1_024;
/** Between two looks at all replicas. */
const SAMPLE_MS = 1_000;
/** Of the requests, those that only fill the caches. */
const WARM_UP_PART = 0.5;

interface Running {
  readonly arrival: Arrival;
  readonly index: number;
  readonly balancer: Balancer;
  readonly failed: number[];
}

export function simulate(trace: readonly Arrival[], options: ClusterOptions): ClusterFigures {
  return new Cluster(trace, options).run();
}

class Cluster {
  readonly #trace: readonly Arrival[];
  readonly #options: ClusterOptions;
  readonly #servers: readonly Server[];
  readonly #events = new Agenda();
  readonly #random: Random;
  readonly #warmUp: number;
  readonly #queuedMs: number[] = [];
  readonly #firstTokenMs: number[] = [];
  readonly #loads: { most: number; p99: number; mean: number }[] = [];
  #promptTokens = 0;
  #cachedTokens = 0;
  #triedAgain = 0;

  constructor(trace: readonly Arrival[], options: ClusterOptions) {
    this.#trace = trace;
    this.#options = options;
    this.#servers = Array.from({ length: options.replicas }, () => new Server());
    this.#random = new Random(options.failures.seed);
    this.#warmUp = trace.length * WARM_UP_PART;
  }

  run(): ClusterFigures {
    const startMs = this.#trace[Math.floor(this.#warmUp)]?.atMs ?? 0;
    this.#events.add(startMs, () => this.#sample(startMs));
    this.#planFailure(startMs);
    for (const [index, arrival] of this.#trace.entries()) {
      this.#events.runUntil(arrival.atMs);
      const { balancers } = this.#options;
      const balancer = balancers[Math.floor(arrival.gateway * balancers.length)];
      if (balancer === undefined) throw new RangeError("a cluster needs a gateway");
      this.#ask({ arrival, index, balancer, failed: [] }, arrival.atMs);
    }
    return {
      hitRate: this.#cachedTokens / this.#promptTokens,
      mostByMean: meanOf(this.#loads.map(({ most, mean }) => most / mean)),
      p99ByMean: meanOf(this.#loads.map(({ p99, mean }) => p99 / mean)),
      queuedMs: this.#queuedMs,
      firstTokenMs: this.#firstTokenMs,
      triedAgain: this.#triedAgain,
    };
  }

  #ask(request: Running, nowMs: number): void {
    const { balancer, arrival, failed } = request;
    const number = balancer.route(arrival, failed, nowMs);
    const server = this.#serverOf(number);
    if (!server.isUp) {
      // Nobody has noticed yet, or nobody else is left.
      balancer.failed(number, nowMs);
      failed.push(number);
      this.#ask(request, nowMs);
      return;
    }
    balancer.began(number);
    server.running.add(request);
    if (server.running.size <= SLOTS) this.#evaluate(server, number, request, nowMs);
    else server.waiting.push(request);
  }

  #evaluate(server: Server, number: number, request: Running, nowMs: number): void {
    const { arrival, index, balancer } = request;
    const startMs = Math.max(nowMs, server.prefillFreeAtMs);
    const hitTokens = Math.min(server.evaluate(arrival.beginning.blocks) * BLOCK_TOKENS, arrival.promptTokens - 1);
    const firstMs = startMs + (arrival.promptTokens - hitTokens) / PREFILL_TOKENS_PER_MS;
    server.prefillFreeAtMs = firstMs;
    if (index >= this.#warmUp) {
      this.#promptTokens += arrival.promptTokens;
      this.#cachedTokens += hitTokens;
      this.#queuedMs.push(startMs - arrival.atMs);
      this.#firstTokenMs.push(firstMs - arrival.atMs);
    }
    const endMs = firstMs + arrival.completionTokens * MS_PER_TOKEN;
    this.#events.add(endMs, () => {
      if (!server.running.delete(request)) return; // it failed meanwhile
      balancer.ended(number);
      const next = server.waiting.shift();
      if (next !== undefined) this.#evaluate(server, number, next, endMs);
    });
  }

  #planFailure(nowMs: number): void {
    const { everyMs, awayMs } = this.#options.failures;
    const atMs = nowMs - Math.log(1 - this.#random.uniform()) * everyMs;
    if (!Number.isFinite(atMs)) return;
    this.#events.add(atMs, () => {
      this.#planFailure(atMs);
      const number = Math.floor(this.#random.uniform() * this.#servers.length);
      if (!this.#serverOf(number).isUp) return;
      this.#fail(number, atMs);
      this.#events.add(atMs + awayMs, () => {
        this.#serverOf(number).isUp = true;
        for (const balancer of this.#options.balancers) balancer.back(number);
      });
    });
  }

  #fail(number: number, nowMs: number): void {
    const server = this.#serverOf(number);
    const lost = [...server.running];
    server.lose();
    for (const request of lost) {
      request.balancer.ended(number);
      request.balancer.failed(number, nowMs);
    }
    for (const balancer of this.#options.balancers) balancer.away(number);
    for (const request of lost) {
      this.#triedAgain += 1;
      this.#ask({ ...request, failed: [...request.failed, number] }, nowMs);
    }
  }

  #sample(nowMs: number): void {
    this.#events.add(nowMs + SAMPLE_MS, () => this.#sample(nowMs + SAMPLE_MS));
    const loads = this.#servers.filter(({ isUp }) => isUp).map(({ running }) => running.size);
    loads.sort((a, b) => a - b);
    const most = loads.at(-1) ?? 0;
    const p99 = loads[Math.floor(0.99 * (loads.length - 1))] ?? 0;
    this.#loads.push({ most, p99, mean: meanOf(loads) });
  }

  #serverOf(number: number): Server {
    const server = this.#servers[number];
    if (server === undefined) throw new RangeError(`there is no replica ${number}`);
    return server;
  }
}

class Server {
  isUp = true;
  readonly running = new Set<Running>();
  readonly waiting: Running[] = [];
  prefillFreeAtMs = 0;
  /** Blocks, those unused for longest first. */
  readonly #cached = new Set<number>();

  /** How many blocks at the beginning were there; all of them are now. */
  evaluate(blocks: readonly number[]): number {
    const missing = blocks.findIndex((block) => !this.#cached.has(block));
    // The end of a text is given up first, as nothing is found behind a gap.
    for (const block of blocks.toReversed()) {
      this.#cached.delete(block);
      this.#cached.add(block);
    }
    for (const block of this.#cached) {
      if (this.#cached.size <= CACHE_BLOCKS) break;
      this.#cached.delete(block);
    }
    return missing < 0 ? blocks.length : missing;
  }

  lose(): void {
    this.isUp = false;
    this.running.clear();
    this.waiting.length = 0;
    this.prefillFreeAtMs = 0;
    this.#cached.clear();
  }
}

/** What happens when: a binary heap. What is planned for the same moment happens in the order of planning. */
class Agenda {
  readonly #heap: { readonly atMs: number; readonly order: number; readonly act: () => void }[] = [];
  #planned = 0;

  add(atMs: number, act: () => void): void {
    const heap = this.#heap;
    const event = { atMs, order: this.#planned++, act };
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || isSooner(above, event)) break;
      heap[at] = above;
      heap[parent] = event;
      at = parent;
    }
  }

  /** Everything up to that moment, also what is planned meanwhile. */
  runUntil(atMs: number): void {
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= atMs; next = this.#heap[0]) {
      this.#takeFirst();
      next.act();
    }
  }

  #takeFirst(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const [left, right] = [heap[2 * at + 1], heap[2 * at + 2]];
      const child = right !== undefined && left !== undefined && isSooner(right, left) ? 2 * at + 2 : 2 * at + 1;
      const below = heap[child];
      if (below === undefined || isSooner(last, below)) break;
      heap[at] = below;
      at = child;
    }
    heap[at] = last;
  }
}

function isSooner(
  a: { readonly atMs: number; readonly order: number },
  b: { readonly atMs: number; readonly order: number },
): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
