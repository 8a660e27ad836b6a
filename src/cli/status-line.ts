/** What is under way: one line that is drawn over on a terminal, elsewhere a line now and then. Standard error. */
import { oneLine } from "../visible.ts";

export interface StatusSurroundings {
  readonly stream: Pick<NodeJS.WriteStream, "write" | "isTTY" | "columns">;
  /** Calls `look` again and again until the function it returns is called. */
  readonly every: (ms: number, look: () => void) => () => void;
}

/** Milliseconds between two drawings on a terminal, and between two lines elsewhere. Shorter work prints nothing there. */
const DRAW_EVERY_MS = 200;
const PRINT_EVERY_MS = 30_000;

/** Takes back the line that a terminal shows. */
const CLEAR = "\r\u001b[K";

/**
 * Runs `work`. Meanwhile `describe` is asked what is under way; empty text shows nothing. The line is gone when the work
 * is over, however it ends, so that what is said then begins on a line of its own.
 */
export async function whileShowing<T>(
  describe: () => string,
  work: () => Promise<T>,
  { stream, every }: StatusSurroundings = onStandardError(),
): Promise<T> {
  let isOpen = false;
  const draw = (): void => {
    // A line that wraps could not be drawn over. Terminals that do not know their width say 0.
    const text = oneLine(describe()).slice(0, Math.max(1, (stream.columns || 80) - 1));
    stream.write(`${CLEAR}${text}`);
    isOpen = true;
  };
  const print = (): void => {
    const text = oneLine(describe());
    if (text !== "") stream.write(`${text}\n`);
  };
  const stop = stream.isTTY === true ? every(DRAW_EVERY_MS, draw) : every(PRINT_EVERY_MS, print);
  try {
    return await work();
  } finally {
    stop();
    if (isOpen) stream.write(CLEAR);
  }
}

function onStandardError(): StatusSurroundings {
  const every = (ms: number, look: () => void): (() => void) => {
    const timer = setInterval(look, ms);
    timer.unref(); // it shows what others do, and keeps no process alive
    return () => clearInterval(timer);
  };
  return { stream: process.stderr, every };
}

/** Speed and time left of work that is counted, from the moment it is made. */
export class Pace {
  readonly #now: () => number;
  readonly #startedMs: number;
  readonly #before: number;

  /** @param before how much was done before it began @param now milliseconds; only differences matter */
  constructor(before = 0, now: () => number = () => performance.now()) {
    this.#before = before;
    this.#now = now;
    this.#startedMs = now();
  }

  /** `2.1 per second, 1 min 20 s left`; how long it has taken as long as nothing is done. */
  text(done: number, total: number): string {
    const seconds = (this.#now() - this.#startedMs) / 1000;
    const perSecond = (done - this.#before) / seconds;
    if (!(perSecond > 0) || !Number.isFinite(perSecond)) return durationText(seconds);
    const rate = perSecond >= 0.95 ? `${perSecond.toFixed(1)} per second` : `${(60 * perSecond).toFixed(1)} per minute`;
    return done >= total ? rate : `${rate}, ${durationText((total - done) / perSecond)} left`;
  }
}

/** `45 s`, `3 min 20 s`, `2 h 5 min`. */
export function durationText(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
