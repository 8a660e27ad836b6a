import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import type { Health } from "../../continuation/engine.ts";
import { ServiceError } from "../../errors.ts";
import type { FromEngine, LoadMessage, ReadyMessage, ToEngine } from "./messages.ts";

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
  | { readonly kind: "loading"; readonly child: ChildProcess }
  | { readonly kind: "ready"; readonly child: ChildProcess }
  | { readonly kind: "failed"; readonly error: ServiceError; readonly sinceMs: number };

/** Keeps one engine process running: starts it, starts it again when it dies, gives up when it never comes up. */
export class EngineProcess {
  readonly #script: string;
  readonly #load: LoadMessage;
  readonly #events: EngineProcessEvents;
  #state: State = { kind: "idle" };
  #startDeaths = 0;
  #stopping = false;
  #waiters: (() => void)[] = [];

  constructor(script: URL, load: LoadMessage, events: EngineProcessEvents) {
    this.#script = fileURLToPath(script);
    this.#load = load;
    this.#events = events;
  }

  get pid(): number | undefined {
    return "child" in this.#state ? this.#state.child.pid : undefined;
  }

  start(): void {
    if (this.#stopping || "child" in this.#state) return;
    const child = fork(this.#script, [], { execArgv: [], stdio: ["ignore", "ignore", "inherit", "ipc"] });
    this.#state = { kind: "loading", child };
    child.on("message", (message: FromEngine) => this.#receive(child, message));
    child.on("error", (error) => {
      // Without a process there is no "exit"; any other error shows as one.
      if (child.pid === undefined) this.#exited(child, { how: error.message, killed: false });
    });
    child.once("exit", (code, signal) => {
      this.#exited(child, { how: signal ?? `exit code ${code}`, killed: signal === "SIGKILL" || signal === "SIGTERM" });
    });
    child.send(this.#load, () => {});
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

  /** Messages for a process that does not serve are dropped: the next one asks for all of them. */
  send(...messages: readonly ToEngine[]): void {
    if (this.#state.kind !== "ready") return;
    for (const message of messages) this.#state.child.send(message, () => {}); // a channel closed meanwhile shows as "exit"
  }

  health(): Health {
    const state = this.#state;
    if (state.kind === "failed") return { state: "failed", detail: state.error.message };
    return state.kind === "ready"
      ? { state: "ready", detail: `process ${state.child.pid}` }
      : { state: "loading", detail: "loading the model" };
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#changed(); // whoever waits for a process learns that there will be none
    const state = this.#state;
    if (!("child" in state) || state.child.exitCode !== null || state.child.signalCode !== null) return;
    const exited = once(state.child, "exit");
    if (state.child.connected) state.child.disconnect();
    const timer = setTimeout(() => state.child.kill("SIGKILL"), LEAVE_MS);
    await exited;
    clearTimeout(timer);
  }

  #receive(child: ChildProcess, message: FromEngine): void {
    if (!("child" in this.#state) || this.#state.child !== child) return;
    if (message.type === "ready") {
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
    const wasLoading = this.#state.kind === "loading";
    this.#state = { kind: "idle" };
    if (wasLoading) this.#startDeaths += 1;
    if (this.#startDeaths >= (death.killed ? MAX_START_KILLS : MAX_START_CRASHES)) {
      const text = `the engine process died ${this.#startDeaths} times while loading ${this.#load.path} (${death.how}); is there enough memory?`;
      this.#startDeaths = 0;
      this.#fail(new ServiceError("model_unavailable", text));
      return;
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
