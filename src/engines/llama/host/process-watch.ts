import type { Progress } from "../wire/progress.ts";
import { type Condition, Watchdog } from "./watchdog.ts";

export interface WatchedProcess {
  /** Asks the process for its progress. */
  readonly ask: () => void;
  /** Called when the judgement changes. */
  readonly judge: (condition: Condition, finding: string) => void;
}

/** Asks an engine process regularly how far it is, and judges by the answers. */
export class ProcessWatch {
  readonly #watchdog: Watchdog;
  readonly #process: WatchedProcess;
  readonly #timer: NodeJS.Timeout;
  #condition: Condition = "well";
  #isAsked = false;

  /** @param maximumMs longest time without progress; infinite: the process is asked and never judged to hang. */
  constructor(maximumMs: number, process: WatchedProcess) {
    this.#watchdog = new Watchdog(maximumMs, performance.now());
    this.#process = process;
    this.#timer = setInterval(() => this.#look(), this.#watchdog.periodMs);
    this.#timer.unref();
  }

  heard(progress: Progress): void {
    this.#isAsked = false;
    this.#watchdog.heard(progress);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    // One question at a time: they would fill the pipe to a process that is stopped.
    if (!this.#isAsked) {
      this.#isAsked = true;
      this.#process.ask();
    }
    const condition = this.#watchdog.look(performance.now());
    if (condition === this.#condition) return;
    this.#condition = condition;
    this.#process.judge(condition, this.#watchdog.finding);
  }
}
