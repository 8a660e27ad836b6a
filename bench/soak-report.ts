/** What a soak counts, and the bounds on it. */
import { markdownTable } from "./figures.ts";
import type { AbortPoint, Outcome } from "./soak-client.ts";
import type { Change, MemoryFigures } from "./watch.ts";

export interface Counts {
  readonly requests: number;
  readonly completed: number;
  readonly aborted: Readonly<Record<AbortPoint, number>>;
  /** Documented errors, by status and code. */
  readonly refused: Readonly<Record<string, number>>;
  /** Everything that is not documented, by reason. */
  readonly broken: Readonly<Record<string, number>>;
}

export interface SoakFigures extends Counts, MemoryFigures {
  readonly minutes: number;
  readonly clients: number;
  readonly eventLoopDelayP99Ms: number;
  /** Of one processor, without requests. */
  readonly cpuPercent: { readonly firstSecond: number; readonly afterwards: number };
  /** Requests that still occupy a slot. */
  readonly stillRunning: number;
  /** Where the aborts met the requests, as the engine counts them; the others it never saw. */
  readonly abortsMet: Readonly<Record<AbortPoint, number>>;
}

export interface Verdict {
  readonly what: string;
  readonly found: string;
  readonly bound: string;
  readonly isMet: boolean;
}

export class Report {
  #completed = 0;
  readonly #aborted: Record<AbortPoint, number> = { queued: 0, prefill: 0, decode: 0 };
  readonly #refused: Record<string, number> = {};
  readonly #broken: Record<string, number> = {};

  count(outcome: Outcome): void {
    if (outcome.kind === "completed") this.#completed += 1;
    else if (outcome.kind === "aborted") this.#aborted[outcome.at] += 1;
    else if (outcome.kind === "refused") this.#refused[outcome.reason] = (this.#refused[outcome.reason] ?? 0) + 1;
    else this.#broken[outcome.reason] = (this.#broken[outcome.reason] ?? 0) + 1;
  }

  figures(): Counts {
    const counts = { completed: this.#completed, aborted: this.#aborted, refused: this.#refused, broken: this.#broken };
    const requests = this.#completed + sum(this.#aborted) + sum(this.#refused) + sum(this.#broken);
    return { requests, ...counts };
  }
}

const MIN_COMPLETED = 0.95;
/** Growth from the first to the last quarter that counts as flat: the heap breathes by so much. */
const MAX_GROWTH = 1.1;
const MAX_DELAY_MS = 50;
/** What rounds to 0 %: a Node process that does nothing wakes now and then. */
const MAX_IDLE_PERCENT = 0.5;

export function judge(figures: SoakFigures): readonly Verdict[] {
  const unaborted = figures.requests - sum(figures.aborted);
  const share = figures.completed / Math.max(1, unaborted);
  const { firstSecond, afterwards } = figures.cpuPercent;
  return [
    {
      what: "completed, of those not given up",
      found: `${figures.completed} of ${unaborted} (${(100 * share).toFixed(2)} %)`,
      bound: `≥ ${100 * MIN_COMPLETED} %`,
      isMet: share >= MIN_COMPLETED,
    },
    {
      what: "errors that are not documented",
      found: String(sum(figures.broken)),
      bound: "0",
      isMet: sum(figures.broken) === 0,
    },
    growth("memory of the server", figures.serverMb),
    growth("memory of the engine", figures.engineMb),
    {
      what: "event-loop delay of the server, 99th percentile",
      found: `${figures.eventLoopDelayP99Ms.toFixed(1)} ms`,
      bound: `< ${MAX_DELAY_MS} ms`,
      isMet: figures.eventLoopDelayP99Ms < MAX_DELAY_MS,
    },
    {
      what: "processor, from a second after the last request",
      found: `${afterwards.toFixed(2)} % (${firstSecond.toFixed(2)} % in that second)`,
      bound: "rounds to 0 %",
      isMet: afterwards < MAX_IDLE_PERCENT,
    },
    {
      what: "slots still occupied",
      found: String(figures.stillRunning),
      bound: "0",
      isMet: figures.stillRunning === 0,
    },
  ];
}

/** A Markdown table of the bounds, and the counts in a sentence before it. */
export function print(figures: SoakFigures, verdicts: readonly Verdict[]): void {
  const { minutes, clients, requests, completed, aborted, abortsMet, refused, broken } = figures;
  const lines = [
    `${minutes.toFixed(1)} minutes, ${clients} clients: ${requests} requests, ${completed} completed, ` +
      `${sum(aborted)} given up (the engine met ${list(abortsMet)}), ${sum(refused)} refused${named(refused)}, ` +
      `${sum(broken)} broken${named(broken)}.`,
    "",
  ];
  const columns = ["", "found", "bound", "verdict"].map((title) => ({ title, isNumber: false }));
  const rows = verdicts.map(({ what, found, bound, isMet }) => [what, found, bound, isMet ? "met" : "missed"]);
  process.stdout.write(`${lines.join("\n")}\n${markdownTable(columns, rows)}`);
}

function growth(what: string, { first, last }: Change): Verdict {
  return {
    what,
    found: `${first.toFixed(0)} → ${last.toFixed(0)} MB`,
    bound: `≤ ${MAX_GROWTH} ×`,
    isMet: last <= first * MAX_GROWTH,
  };
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

function list(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

function named(counts: Readonly<Record<string, number>>): string {
  return Object.keys(counts).length === 0 ? "" : ` (${list(counts)})`;
}
