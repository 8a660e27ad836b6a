/** How far a transfer has come: a bar that is drawn anew on a terminal, elsewhere a line at every tenth of the download. */
import { sizeText } from "../models/bytes.ts";
import type { Progress } from "../models/install.ts";
import { visible } from "../visible.ts";
import { durationText } from "./status-line.ts";

export interface ProgressOptions {
  readonly stream: Pick<NodeJS.WriteStream, "write" | "isTTY" | "columns">;
  /** Milliseconds; only differences matter. */
  readonly now: () => number;
}

/** A bar is drawn at most this often, milliseconds. */
const DRAW_EVERY_MS = 100;
/** The rate is that of the last seconds: long enough to be calm, short enough to follow. */
const RATE_WINDOW_MS = 5000;
/** Not on a terminal, milliseconds between two lines about a check. */
const PRINT_EVERY_MS = 30_000;
const BAR_CELLS = 24;
const TENTHS = 10;

const VERBS: Readonly<Record<Progress["doing"], string>> = {
  downloading: "downloading",
  copying: "copying",
  checking: "checking sha256",
};

export class ProgressView {
  readonly #options: ProgressOptions;
  /** Earlier moments, oldest first, from which the rate is taken. */
  #samples: { readonly atMs: number; readonly doneBytes: number }[] = [];
  #doing: Progress["doing"] | undefined;
  #drawnAtMs = Number.NEGATIVE_INFINITY;
  #printedAtMs = 0;
  #lastTenth = 0;
  #isLineOpen = false;

  constructor(options: ProgressOptions) {
    this.#options = options;
  }

  update(progress: Progress): void {
    const nowMs = this.#options.now();
    if (progress.doing !== this.#doing) this.#begin(progress);
    this.#samples.push({ atMs: nowMs, doneBytes: progress.doneBytes });
    while ((this.#samples[1]?.atMs ?? nowMs) < nowMs - RATE_WINDOW_MS) this.#samples.shift();
    if (this.#options.stream.isTTY === true) this.#draw(progress, nowMs);
    else this.#print(progress);
  }

  /** A line of its own, above the bar. */
  say(line: string): void {
    this.end();
    this.#options.stream.write(`${visible(line)}\n`);
  }

  /** Nothing more is drawn on the bar's line. */
  end(): void {
    if (this.#isLineOpen) this.#options.stream.write("\r\u001b[K");
    this.#isLineOpen = false;
    this.#drawnAtMs = Number.NEGATIVE_INFINITY;
  }

  #begin({ doing, doneBytes, totalBytes }: Progress): void {
    const { stream } = this.#options;
    if (doing === "checking" && stream.isTTY !== true) stream.write(`${VERBS[doing]} of ${sizeText(totalBytes)}\n`);
    this.#doing = doing;
    this.#printedAtMs = this.#options.now();
    this.#samples = [];
    this.#lastTenth = totalBytes === 0 ? 0 : Math.floor((TENTHS * doneBytes) / totalBytes);
  }

  #draw(progress: Progress, nowMs: number): void {
    if (nowMs - this.#drawnAtMs < DRAW_EVERY_MS) return;
    this.#drawnAtMs = nowMs;
    const { stream } = this.#options;
    const share = progress.totalBytes === 0 ? 1 : progress.doneBytes / progress.totalBytes;
    const full = Math.floor(share * BAR_CELLS);
    const bar = "█".repeat(full) + "░".repeat(BAR_CELLS - full);
    const line = `${bar} ${this.#described(progress)}`;
    // A line that wraps could not be drawn over. Terminals that do not know their width say 0.
    stream.write(`\r\u001b[K${line.slice(0, Math.max(1, (stream.columns || 80) - 1))}`);
    this.#isLineOpen = true;
  }

  #print(progress: Progress): void {
    if (progress.doing === "checking" && !this.#isDue()) return;
    const tenth = progress.totalBytes === 0 ? TENTHS : Math.floor((TENTHS * progress.doneBytes) / progress.totalBytes);
    if (tenth <= this.#lastTenth) return;
    this.#lastTenth = tenth;
    this.#printedAtMs = this.#options.now();
    this.#options.stream.write(`${this.#described(progress)}\n`);
  }

  /** Checking takes seconds where downloading takes minutes: only of a large model there is more to say than that it began. */
  #isDue(): boolean {
    return this.#options.now() - this.#printedAtMs >= PRINT_EVERY_MS;
  }

  #described({ doing, doneBytes, totalBytes }: Progress): string {
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes);
    const rate = this.#bytesPerSecond();
    const parts = [`${VERBS[doing]} ${percent} %`, `${sizeText(doneBytes)} of ${sizeText(totalBytes)}`];
    if (rate > 0) parts.push(`${sizeText(Math.round(rate))}/s`);
    if (rate > 0 && doneBytes < totalBytes) parts.push(`${durationText((totalBytes - doneBytes) / rate)} left`);
    return parts.join(", ");
  }

  #bytesPerSecond(): number {
    const first = this.#samples[0];
    const last = this.#samples.at(-1);
    if (first === undefined || last === undefined || last.atMs <= first.atMs) return 0;
    return Math.max(0, (1000 * (last.doneBytes - first.doneBytes)) / (last.atMs - first.atMs));
  }
}
