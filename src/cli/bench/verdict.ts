/** What figures mean to somebody who waits for a suggestion or reads an answer. */
import type { Figures } from "./measure.ts";

export interface Verdict {
  readonly measure: string;
  /** With its unit. */
  readonly figure: string;
  readonly verdict: string;
}

/** Milliseconds within which a suggestion comes before the next keystroke, and before the thought has moved on. */
const BETWEEN_KEYSTROKES_MS = 150;
const WHILE_TYPING_MS = 300;
const AT_A_PAUSE_MS = 1_000;

/** Tokens per second: people read five to ten. */
const ABOVE_READING = 20;
const READING = 8;

/** Tokens of a large file, for a sense of what a prefill speed means. */
const FILE_TOKENS = 4_000;
const PATIENCE_MS = 5_000;

/** One row per measure that was taken, for a table. */
export function verdicts({ firstTokenMs, prefill, decodePerSecond, together, typing }: Partial<Figures>): Verdict[] {
  const rows: Verdict[] = [];
  const add = (measure: string, figure: string, verdict: string): void => void rows.push({ measure, figure, verdict });
  if (firstTokenMs !== undefined) add("first token, short prompt", ms(firstTokenMs), waiting(firstTokenMs));
  if (prefill !== undefined) add("reading a prompt", perSecond(prefill.perSecond), reading(prefill.perSecond));
  if (decodePerSecond !== undefined) add("one answer", perSecond(decodePerSecond), writing(decodePerSecond));
  if (together !== undefined) {
    const each = together.perSecond / together.streams;
    const verdict = `${number(each)} tokens/s each: ${writing(each)}`;
    add(`${together.streams} answers at once`, perSecond(together.perSecond), verdict);
  }
  if (typing !== undefined) {
    const figure = `${ms(typing.medianMs)} (slowest ${ms(typing.slowestMs)})`;
    add("typing, first token", figure, suggesting(typing.medianMs));
  }
  return rows;
}

function waiting(firstMs: number): string {
  if (firstMs <= WHILE_TYPING_MS) return "at once";
  return firstMs <= AT_A_PAUSE_MS ? "a short wait" : "a long wait, even for a short prompt";
}

function reading(tokensPerSecond: number): string {
  const fileMs = (1_000 * FILE_TOKENS) / tokensPerSecond;
  const time = `a file of ${FILE_TOKENS} tokens is read in ${(fileMs / 1_000).toFixed(1)} s`;
  return fileMs <= PATIENCE_MS ? time : `${time}: send less context, or choose a smaller model`;
}

function writing(tokensPerSecond: number): string {
  if (tokensPerSecond >= ABOVE_READING) return "faster than people read";
  return tokensPerSecond >= READING ? "about as fast as people read" : "slower than people read";
}

function suggesting(firstMs: number): string {
  const time = `first token ${ms(firstMs)}`;
  if (firstMs <= BETWEEN_KEYSTROKES_MS)
    return `fast enough for a suggestion at every keystroke: ${time}, under ${BETWEEN_KEYSTROKES_MS} ms`;
  if (firstMs <= WHILE_TYPING_MS)
    return `fast enough for suggestions while typing: ${time}, under ${WHILE_TYPING_MS} ms`;
  if (firstMs <= AT_A_PAUSE_MS) return `fast enough for suggestions at a pause: ${time}, under ${AT_A_PAUSE_MS} ms`;
  return `too slow for suggestions while typing: ${time}; choose a smaller model, or send less text around the cursor`;
}

function ms(value: number): string {
  return `${number(value)} ms`;
}

function perSecond(value: number): string {
  return `${number(value)} tokens/s`;
}

function number(value: number): string {
  return value.toFixed(value < 10 ? 1 : 0);
}
