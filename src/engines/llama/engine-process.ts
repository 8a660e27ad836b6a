import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Health } from "../../continuation/engine.ts";
import { ServiceError } from "../../errors.ts";
import type { FromEngine, LoadMessage, ProgressMessage, ReadyMessage, ToEngine } from "./messages.ts";

export interface EngineProcessParts {
  /** The program of the process. */
  readonly script: URL;
  /** What to load, found out before every start; a rejection fails the start without a process. */
  readonly prepare: () => Promise<LoadMessage>;
  readonly events: EngineProcessEvents;
}

export interface EngineProcessEvents {
  /** A process serves; it knows of no request yet. */
  readonly ready: (message: ReadyMessage) => void;
  readonly message: (message: FromEngine) => void;
  /** There will be no process until somebody asks again. */
  readonly failed: (error: ServiceError) => void;
  /** A process died; another is being started. */
  readonly died: (death: Death) => void;
}

export interface Death {
  /** A signal or an exit code, for people. */
  readonly how: string;
  /** Somebody else ended it (an operator, the system short of memory); otherwise it crashed. */
  readonly killed: boolean;
}

/** Processes in a row that may crash before serving; then it is the model or the machine, and trying on helps nobody. */
const MAX_START_CRASHES = 5;
/** The same for processes that somebody else ended: an operator may well do that a few times. */
const MAX_START_KILLS = 25;

/** After a failure the next request tries again, but not sooner. */
const RETRY_AFTER_MS = 5_000;

/** How long a process may take to leave by itself. */
const LEAVE_MS = 2_000;

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "preparing" }
  | { readonly kind: "loading"; readonly child: ChildProcess; readonly path: string; readonly fraction: number }
  | { readonly kind: "ready"; readonly child: ChildProcess }
  | { readonly kind: "leaving"; readonly child: ChildProcess }
  | { readonly kind: "failed"; readonly error: ServiceError; readonly sinceMs: number };

/**
 * Keeps one engine process running from `start` to `unload`: starts it again when it dies, gives up when it never comes
 * up. After `stop` there will be none.
 */
export class EngineProcess {
  readonly #script: string;
  readonly #prepare: () => Promise<LoadMessage>;
  readonly #events: EngineProcessEvents;
  #state: State = { kind: "idle" };
  #startDeaths = 0;
  #stopping = false;
  #waiters: (() => void)[] = [];

  constructor({ script, prepare, events }: EngineProcessParts) {
    this.#script = fileURLToPath(script);
    this.#prepare = prepare;
    this.#events = events;
  }

  get pid(): number | undefined {
    return "child" in this.#state ? this.#state.child.pid : undefined;
  }

  /** Does nothing while a process is there or on its way; one that is leaving is waited for by `ready`. */
  start(): void {
    if (this.#stopping || this.#state.kind === "preparing" || "child" in this.#state) return;
    const preparing: State = { kind: "preparing" };
    this.#state = preparing;
    this.#prepare().then(
      (load) => {
        if (this.#state === preparing && !this.#stopping) this.#fork(load);
      },
      (error: unknown) => {
        if (this.#state === preparing) this.#fail(error);
      },
    );
  }

  /** Resolves when a process serves; starts one if an earlier failure is old enough. Rejects with `model_unavailable`. */
  async ready(signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      if (this.#stopping) throw new ServiceError("shutting_down", "the server is shutting down");
      const state = this.#state;
      if (state.kind === "ready") return;
      if (state.kind === "failed" && performance.now() - state.sinceMs < RETRY_AFTER_MS) throw state.error;
      this.start();
      await this.#change(signal);
    }
  }

  /** Messages for a process that does not serve are dropped: the next one asks for all of them. False: they were. */
  send(...messages: readonly ToEngine[]): boolean {
    if (this.#state.kind !== "ready") return false;
    for (const message of messages) this.#state.child.send(message, () => {}); // a channel closed meanwhile shows as "exit"
    return true;
  }

  health(): Health {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
      case "leaving":
        return { state: "unloaded", detail: "loaded on first use" };
      case "preparing":
        return { state: "loading", detail: "reading the header" };
      case "loading":
        return { state: "loading", detail: `${Math.floor(100 * state.fraction)} % loaded` };
      case "ready":
        return { state: "ready", detail: `process ${state.child.pid}` };
      case "failed":
        return { state: "failed", detail: state.error.message };
    }
  }

  /** Ends the process, if there is one, and with it what it was doing. Resolves when it is gone; it may be started again. */
  async unload(): Promise<void> {
    const state = this.#state;
    if (state.kind === "preparing") this.#state = { kind: "idle" };
    if (!("child" in state)) return this.#changed();
    this.#state = { kind: "leaving", child: state.child };
    await gone(state.child);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#changed(); // whoever waits for a process learns that there will be none
    if ("child" in this.#state) await gone(this.#state.child);
  }

  #fork(load: LoadMessage): void {
    const child = fork(this.#script, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#state = { kind: "loading", child, path: load.path, fraction: 0 };
    child.on("message", (message: FromEngine | ProgressMessage) => this.#receive(child, message));
    child.on("error", (error) => {
      // Without a process there is no "exit"; any other error shows as one.
      if (child.pid === undefined) this.#exited(child, { how: error.message, killed: false });
    });
    child.once("exit", (code, signal) => {
      this.#exited(child, { how: signal ?? `exit code ${code}`, killed: signal === "SIGKILL" || signal === "SIGTERM" });
    });
    child.send(load, () => {});
  }

  #receive(child: ChildProcess, message: FromEngine | ProgressMessage): void {
    const state = this.#state;
    if (!("child" in state) || state.child !== child || state.kind === "leaving") return;
    if (message.type === "progress") {
      if (state.kind === "loading") this.#state = { ...state, fraction: message.fraction };
    } else if (message.type === "ready") {
      this.#startDeaths = 0;
      this.#state = { kind: "ready", child };
      try {
        this.#events.ready(message);
      } catch (error) {
        this.#fail(error);
        child.kill("SIGKILL");
      }
      this.#changed();
    } else if (message.type === "failed") {
      this.#fail(new ServiceError("model_unavailable", message.message));
    } else {
      this.#events.message(message);
    }
  }

  #exited(child: ChildProcess, death: Death): void {
    if (!("child" in this.#state) || this.#state.child !== child) return;
    if (this.#stopping) return;
    const state = this.#state;
    this.#state = { kind: "idle" };
    if (state.kind === "leaving") {
      this.#changed();
      return;
    }
    if (state.kind === "loading") {
      this.#startDeaths += 1;
      if (this.#startDeaths >= (death.killed ? MAX_START_KILLS : MAX_START_CRASHES)) {
        const text = `the engine process died ${this.#startDeaths} times while loading ${state.path} (${death.how}); is there enough memory?`;
        this.#startDeaths = 0;
        this.#fail(new ServiceError("model_unavailable", text));
        return;
      }
    }
    this.#events.died(death);
    this.start();
  }

  #fail(error: unknown): void {
    const failure =
      error instanceof ServiceError ? error : new ServiceError("model_unavailable", String(error), { cause: error });
    this.#state = { kind: "failed", error: failure, sinceMs: performance.now() };
    this.#events.failed(failure);
    this.#changed();
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const stop = (): void => reject(signal.reason);
      signal.addEventListener("abort", stop, { once: true });
      this.#waiters.push(() => {
        signal.removeEventListener("abort", stop);
        resolve();
      });
    });
  }

  #changed(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

/** Lets a process leave by itself, and makes it when it takes too long. */
async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, "exit");
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill("SIGKILL"), LEAVE_MS);
  await exited;
  clearTimeout(timer);
}
