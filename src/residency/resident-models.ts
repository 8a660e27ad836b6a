import type { LocalEngine } from "../continuation/engine.ts";
import { fitsInto, type MemoryBytes, NO_BYTES, totalOf } from "../continuation/memory.ts";
import { ServiceError } from "../errors.ts";
import { makeRoom, type Resident, takenBytes } from "./room.ts";

/** Weights that can be brought into memory and taken out of it. */
export type Loadable = Pick<LocalEngine, "footprint" | "load" | "unload">;

export interface ResidencyOptions {
  /** What all loaded models together may take. */
  readonly budget: MemoryBytes;
  /** Milliseconds, never going back. */
  readonly now: () => number;
  /** Calls back once after a time, unless the returned function is called before. */
  readonly after: (ms: number, callback: () => void) => () => void;
  /** For logs. */
  readonly report: (name: string, event: ResidencyEvent) => void;
}

export type ResidencyEvent =
  | { readonly kind: "loaded"; readonly seconds: number }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "unloading"; readonly reason: "idle" | "room" }
  | { readonly kind: "unload failed"; readonly error: unknown };

/** The right to run one request. The model stays in memory until it is released. */
export interface Lease {
  release(): void;
}

/** Since the start; bytes are of now and of all memories together. */
export interface ResidencyStats {
  readonly budgetBytes: number;
  readonly takenBytes: number;
  readonly loads: number;
  readonly unloads: number;
  readonly loadSeconds: number;
}

interface Entry {
  readonly name: string;
  readonly model: Loadable;
  /** Idle time after which it leaves; infinite: never. */
  readonly keepAliveMs: number;
  bytes: MemoryBytes;
  state: Resident["state"];
  leases: number;
  usedAtMs: number;
  /** Ends the load that is under way; afterwards it changes nothing. */
  giveUpLoading: () => void;
  stopTimer: () => void;
}

interface Waiter {
  readonly entry: Entry;
  readonly bytes: MemoryBytes;
  readonly grant: (lease: Lease) => void;
  readonly refuse: (error: unknown) => void;
}

/**
 * Several models in one budget of memory. A request asks for a lease; when its model is not in memory, others leave for
 * it, the least recently used first and none that has a request.
 *
 * Room is given in the order in which it was asked for, and a model that has to go takes no new requests, so everybody is
 * served however busy the others are. Requests for models that stay never wait.
 */
export class ResidentModels {
  readonly #options: ResidencyOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #waiters: Waiter[] = [];
  /** To be loaded at start, not looked at yet. */
  readonly #expected = new Set<string>();
  readonly #closing = new AbortController();
  #loads = 0;
  #unloads = 0;
  #loadSeconds = 0;

  constructor(options: ResidencyOptions) {
    this.#options = options;
  }

  /** @param keepAliveMs idle time after which it leaves; infinite: only when room is needed. */
  add(name: string, model: Loadable, keepAliveMs: number): void {
    const usedAtMs = Number.NEGATIVE_INFINITY;
    const nothing = (): void => {};
    const stops = { giveUpLoading: nothing, stopTimer: nothing };
    const state = "unloaded";
    this.#entries.set(name, { name, model, keepAliveMs, bytes: NO_BYTES, state, leases: 0, usedAtMs, ...stops });
  }

  /**
   * Loads models, in this order, as far as there is room without anybody leaving. Resolves when those that are loaded
   * serve or have failed; never rejects.
   */
  async preload(names: readonly string[]): Promise<void> {
    for (const name of names) this.#expected.add(name);
    const loads: Promise<void>[] = [];
    for (const name of names) {
      const entry = this.#entry(name);
      try {
        const { memory } = await entry.model.footprint();
        const fits = makeRoom(this.#residents(), memory, this.#options.budget) === undefined;
        if (entry.state === "unloaded" && fits) loads.push(this.#load(entry, memory).then(() => this.#idle(entry)));
      } catch (error) {
        this.#options.report(name, { kind: "failed", error });
      }
      this.#expected.delete(name);
    }
    await Promise.allSettled(loads); // what fails is reported
  }

  /** Resolves when the model is in memory or on its way there. Rejects when it can never be, or with the signal's reason. */
  async acquire(name: string, signal: AbortSignal): Promise<Lease> {
    const entry = this.#entry(name);
    const { memory } = await entry.model.footprint();
    signal.throwIfAborted();
    this.#closing.signal.throwIfAborted();
    if (!fitsInto(memory, this.#options.budget)) {
      throw new ServiceError("model_unavailable", `model "${name}" does not fit into the memory budget`);
    }
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#remove(waiter);
        reject(signal.reason);
        this.#serve();
      };
      const settle = (): void => signal.removeEventListener("abort", leave);
      const waiter: Waiter = {
        entry,
        bytes: memory,
        grant: (lease) => {
          settle();
          resolve(lease);
        },
        refuse: (error) => {
          settle();
          reject(error);
        },
      };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiters.push(waiter);
      this.#serve();
    });
  }

  /** The model is not in memory yet, and will be without anybody asking again. */
  isExpected(name: string): boolean {
    return this.#expected.has(name) || this.waiting(name) > 0;
  }

  /** Requests that wait for the model to come into memory. */
  waiting(name: string): number {
    return this.#waiters.filter(({ entry }) => entry.name === name).length;
  }

  stats(): ResidencyStats {
    return {
      budgetBytes: totalOf(this.#options.budget),
      takenBytes: totalOf(takenBytes(this.#entries.values())),
      loads: this.#loads,
      unloads: this.#unloads,
      loadSeconds: this.#loadSeconds,
    };
  }

  /** Refuses whoever waits. The models themselves belong to somebody else. */
  close(): void {
    const error = new ServiceError("shutting_down", "the server is shutting down");
    this.#closing.abort(error);
    for (const entry of this.#entries.values()) entry.stopTimer();
    for (const waiter of this.#waiters.splice(0)) waiter.refuse(error);
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name);
    if (entry === undefined) throw new Error(`there is no model "${name}"`);
    return entry;
  }

  #residents(): readonly Entry[] {
    return [...this.#entries.values()];
  }

  /** Hands out what can be handed out now; called after everything that may have changed that. */
  #serve(): void {
    const leaving = this.#grantAll();
    for (const name of leaving) {
      const entry = this.#entry(name);
      if (entry.leases === 0) this.#unload(entry, "room");
    }
  }

  /** Returns the models that have to go for the first in the queue who needs room; nobody behind it gets room before it. */
  #grantAll(): readonly string[] {
    let leaving: readonly string[] | undefined;
    for (const waiter of [...this.#waiters]) {
      const { entry, bytes } = waiter;
      if (entry.state === "leaving") leaving ??= [];
      if (entry.state === "unloaded" && leaving === undefined) {
        leaving = makeRoom(this.#residents(), bytes, this.#options.budget);
        if (leaving === undefined) void this.#load(entry, bytes).catch(() => {}); // reported; requests see it themselves
      }
      if (entry.state === "resident" && leaving?.includes(entry.name) !== true) this.#grant(waiter);
    }
    return leaving ?? [];
  }

  #grant(waiter: Waiter): void {
    const { entry, grant } = waiter;
    this.#remove(waiter);
    entry.leases += 1;
    entry.usedAtMs = this.#options.now();
    entry.stopTimer();
    let isHeld = true;
    grant({
      release: () => {
        if (!isHeld) return;
        isHeld = false;
        entry.leases -= 1;
        entry.usedAtMs = this.#options.now();
        this.#serve();
        this.#idle(entry);
      },
    });
  }

  #remove(waiter: Waiter): void {
    const at = this.#waiters.indexOf(waiter);
    if (at >= 0) this.#waiters.splice(at, 1);
  }

  /** Takes the room at once. Rejects when the model cannot be loaded, with the room free again, or has to leave meanwhile. */
  async #load(entry: Entry, bytes: MemoryBytes): Promise<void> {
    const begun = this.#options.now();
    const leaving = new AbortController();
    entry.giveUpLoading = () => leaving.abort(new Error("the model leaves the memory before it is loaded"));
    entry.state = "resident";
    entry.bytes = bytes;
    entry.usedAtMs = begun;
    try {
      await entry.model.load(AbortSignal.any([this.#closing.signal, leaving.signal]));
      const seconds = (this.#options.now() - begun) / 1000;
      this.#loads += 1;
      this.#loadSeconds += seconds;
      this.#options.report(entry.name, { kind: "loaded", seconds });
    } catch (error) {
      if (leaving.signal.aborted) throw error;
      if (!this.#closing.signal.aborted) this.#options.report(entry.name, { kind: "failed", error });
      await this.#leave(entry);
      throw error;
    }
  }

  /** From here on it is kept for as long as the configuration says. */
  #idle(entry: Entry): void {
    if (entry.leases > 0 || entry.state !== "resident" || this.#closing.signal.aborted) return;
    entry.stopTimer();
    if (entry.keepAliveMs === Number.POSITIVE_INFINITY) return;
    entry.stopTimer = this.#options.after(entry.keepAliveMs, () => {
      if (entry.leases === 0 && entry.state === "resident") this.#unload(entry, "idle");
    });
  }

  #unload(entry: Entry, reason: "idle" | "room"): void {
    this.#unloads += 1;
    this.#options.report(entry.name, { kind: "unloading", reason });
    void this.#leave(entry);
  }

  /** Never rejects. Waiting for a model that will not go would keep its room for ever, so a failure counts as gone. */
  async #leave(entry: Entry): Promise<void> {
    entry.stopTimer();
    entry.giveUpLoading(); // a model that somebody waits for would come back
    entry.state = "leaving";
    try {
      await entry.model.unload();
    } catch (error) {
      this.#options.report(entry.name, { kind: "unload failed", error });
    }
    entry.state = "unloaded";
    this.#serve();
  }
}
