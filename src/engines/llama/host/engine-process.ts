import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Health } from "../../../continuation/engine.ts";
import { ServiceError } from "../../../errors.ts";
import { engineEnvironment } from "../probe/engine-environment.ts";
import type { FromEngine, LoadMessage, PongMessage, ReadyMessage, Sign, ToEngine } from "../wire/messages.ts";
import type { Death } from "./blame.ts";
import { endProcess, killProcess } from "./end-process.ts";
import { ProcessWatch } from "./process-watch.ts";
import type { Condition } from "./watchdog.ts";

export interface EngineProcessParts {
  /** The program of the process. */
  readonly script: URL;
  /** What to load, found out before every start; a rejection fails the start without a process. */
  readonly prepare: () => Promise<LoadMessage>;
  /** Longest time without progress, whatever the speed of the steps; infinite: a process is never judged to hang. */
  readonly timeoutMs: number;
  readonly events: EngineProcessEvents;
}

export interface EngineProcessEvents {
  /** A process serves; it knows of no request yet. */
  readonly ready: (message: ReadyMessage) => void;
  /** From a process that serves. */
  readonly message: (message: FromEngine | PongMessage) => void;
  /** There will be no process until somebody asks again. */
  readonly failed: (error: ServiceError) => void;
  /** A process makes no progress and is about to be killed. */
  readonly hung: (finding: string) => void;
  /** A process died; another is being started. */
  readonly died: (death: Death) => void;
}

/**
 * Processes in a row that may end before serving; then it is the model or the machine, and trying on helps nobody. An
 * operator may well kill some, and a hang has taken long.
 */
const MAX_START_DEATHS: Readonly<Record<Death["cause"], number>> = { crash: 5, kill: 25, hang: 2 };

/** After a failure the next request tries again, but not sooner. */
const RETRY_AFTER_MS = 5_000;

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "preparing" }
  | { readonly kind: "loading"; readonly child: ChildProcess; readonly path: string; readonly fraction: number }
  | { readonly kind: "ready"; readonly child: ChildProcess; readonly path: string; readonly hasStepped: boolean }
  | { readonly kind: "leaving"; readonly child: ChildProcess }
  | { readonly kind: "failed"; readonly error: ServiceError; readonly sinceMs: number };

/**
 * Keeps one engine process running from `start` to `unload`: ends it when it hangs, starts it again when it dies, gives up
 * when it never comes up. After `stop` there will be none.
 */
export class EngineProcess {
  readonly #script: string;
  readonly #prepare: () => Promise<LoadMessage>;
  readonly #timeoutMs: number;
  readonly #events: EngineProcessEvents;
  #state: State = { kind: "idle" };
  #watch: ProcessWatch | undefined;
  /** What is wrong with the process, or was with the one before until this one serves. */
  #stall: string | undefined;
  #hung: { readonly child: ChildProcess; readonly finding: string } | undefined;
  #startDeaths = 0;
  #stopping = false;
  #waiters: (() => void)[] = [];

  constructor({ script, prepare, timeoutMs, events }: EngineProcessParts) {
    this.#script = fileURLToPath(script);
    this.#prepare = prepare;
    this.#timeoutMs = timeoutMs;
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
    this.#prepare()
      .then((load) => {
        if (this.#state === preparing && !this.#stopping) this.#fork(load);
      })
      .catch((error: unknown) => {
        if (this.#state === preparing) this.#fail(error);
      });
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
    if (this.#stall !== undefined) return { state: "stalled", detail: this.#stall };
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
    this.#unwatch();
    this.#stall = undefined;
    if (!("child" in state)) return this.#changed();
    this.#state = { kind: "leaving", child: state.child };
    await endProcess(state.child);
    this.#left(state.child);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    this.#unwatch();
    this.#changed(); // whoever waits for a process learns that there will be none
    if ("child" in this.#state) await endProcess(this.#state.child);
  }

  #fork(load: LoadMessage): void {
    const child = fork(this.#script, [], {
      execArgv: [],
      env: engineEnvironment(process.env),
      stdio: ["ignore", "ignore", "inherit", "ipc"],
    });
    this.#state = { kind: "loading", child, path: load.path, fraction: 0 };
    child.on("message", (message: FromEngine | Sign) => this.#receive(child, message));
    child.on("error", (error) => {
      // Without a process there is no "exit"; any other error shows as one.
      if (child.pid === undefined) this.#exited(child, { how: error.message, cause: "crash" });
    });
    child.once("exit", (code, signal) => {
      const isKilled = signal === "SIGKILL" || signal === "SIGTERM";
      this.#exited(child, { how: signal ?? `exit code ${code}`, cause: isKilled ? "kill" : "crash" });
    });
    if (child.pid === undefined) return; // without files for the channel it has no `send` either
    child.send(load, () => {});
    this.#unwatch();
    this.#watch = new ProcessWatch(this.#timeoutMs, {
      ask: () => child.send({ type: "ping" } satisfies ToEngine, () => {}),
      judge: (condition, finding) => this.#judge(child, condition, finding),
    });
  }

  #judge(child: ChildProcess, condition: Condition, finding: string): void {
    if (!("child" in this.#state) || this.#state.child !== child) return;
    this.#stall = condition === "well" ? undefined : finding;
    if (condition === "hung") void this.#endHung(child, finding);
  }

  async #endHung(child: ChildProcess, finding: string): Promise<void> {
    this.#unwatch();
    this.#hung = { child, finding };
    this.#events.hung(finding);
    await killProcess(child);
    this.#exited(child, { how: finding, cause: "hang" }); // one that cannot be killed counts as dead all the same
  }

  #unwatch(): void {
    this.#watch?.stop();
    this.#watch = undefined;
  }

  #receive(child: ChildProcess, message: FromEngine | Sign): void {
    const state = this.#state;
    if (!("child" in state) || state.child !== child || state.kind === "leaving") return;
    if (message.type === "pong") this.#watch?.heard(message.progress);
    if (message.type === "progress") {
      if (state.kind === "loading") this.#state = { ...state, fraction: message.fraction };
    } else if (message.type === "ready" && state.kind === "loading") {
      this.#stall = undefined;
      this.#state = { kind: "ready", child, path: state.path, hasStepped: false };
      try {
        this.#events.ready(message);
      } catch (error) {
        this.#fail(error);
        child.kill("SIGKILL");
      }
      this.#changed();
    } else if (message.type === "failed") {
      this.#fail(new ServiceError("model_unavailable", message.message));
    } else if (state.kind === "ready") {
      if (message.type === "step") this.#stepped(state);
      this.#events.message(message); // a pong may come before
    }
  }

  /** It sends its figures as soon as it can compute, without requests too: what it dies of from then on is no longer its start. */
  #stepped(state: Extract<State, { kind: "ready" }>): void {
    if (state.hasStepped) return;
    this.#state = { ...state, hasStepped: true };
    this.#startDeaths = 0;
  }

  #exited(child: ChildProcess, seen: Death): void {
    if (!("child" in this.#state) || this.#state.child !== child || this.#stopping) return;
    if (this.#state.kind === "leaving") {
      this.#left(child);
      return;
    }
    const state = this.#state;
    const death: Death = this.#hung?.child === child ? { how: this.#hung.finding, cause: "hang" } : seen;
    this.#unwatch();
    this.#state = { kind: "idle" };
    if (state.kind === "loading" || !state.hasStepped) {
      this.#startDeaths += 1;
      if (this.#startDeaths >= MAX_START_DEATHS[death.cause]) {
        const text = `the engine process died ${this.#startDeaths} times while loading ${state.path} (${death.how}); is there enough memory?`;
        this.#startDeaths = 0;
        this.#fail(new ServiceError("model_unavailable", text));
        return;
      }
    }
    this.#events.died(death);
    this.start();
  }

  /** A process that was to leave has done so, or never will. */
  #left(child: ChildProcess): void {
    if (this.#state.kind !== "leaving" || this.#state.child !== child) return;
    this.#state = { kind: "idle" };
    this.#changed();
  }

  #fail(error: unknown): void {
    this.#unwatch();
    this.#stall = undefined;
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
