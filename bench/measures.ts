/** What a loaded server is measured by: each takes a server and gives one number. */
import { besideBusyProgram } from "./neighbour.ts";
import type { Peer } from "./peers.ts";
import { ask, randomPrompt } from "./stream.ts";
import { typing } from "./typing.ts";

export interface Measure {
  readonly name: string;
  readonly unit: "tok/s" | "ms" | "MB";
  /** Absent: reported without a verdict. */
  readonly target?: Target;
  /** Default: all. */
  readonly runsOn?: (peer: Peer) => boolean;
  readonly run: (peer: Peer) => Promise<number>;
}

/** Bound on our figure divided by llama-server's, unless `of` says otherwise. */
export type Target = ({ readonly atLeast: number } | { readonly atMost: number }) & {
  /** `itself`: the bound is on our figure. A measure's name: on our figure divided by our figure of that measure. */
  readonly of?: string;
};

const PSM = "typing, prefix first";

export const MEASURES: readonly Measure[] = [
  { name: "prefill 512", unit: "tok/s", target: { atLeast: 1 }, run: (peer) => prefill(peer, 512) },
  { name: "prefill 2048", unit: "tok/s", target: { atLeast: 1 }, run: (peer) => prefill(peer, 2048) },
  { name: "decode, 1 stream", unit: "tok/s", target: { atLeast: 0.97 }, run: (peer) => streams(peer, 1) },
  { name: "decode, 4 streams", unit: "tok/s", target: { atLeast: 1 }, run: (peer) => streams(peer, 4) },
  { name: "decode, 8 streams", unit: "tok/s", target: { atLeast: 1 }, run: (peer) => streams(peer, 8) },
  { name: "decode, beside a busy program", unit: "tok/s", target: { atLeast: 1 }, run: besideBusy },
  { name: "short behind a 2048-token prompt", unit: "ms", target: { atMost: 0.06 }, run: shortBehindLong },
  { name: "longest gap of a running stream", unit: "ms", target: { atMost: 0.05 }, run: longestGap },
  { name: "first token after an aborted prefill", unit: "ms", target: { atMost: 0.03 }, run: afterAbort },
  { name: PSM, unit: "ms", target: { atMost: 0.87 }, run: (peer) => typing(peer, "psm") },
  { name: "typing, suffix first", unit: "ms", target: { atMost: 0.04, of: PSM }, run: (peer) => typing(peer, "spm") },
];

/** The first request of a process pays for page faults. */
export async function warmUp(peer: Peer): Promise<void> {
  await prefill(peer, 512);
}

async function prefill(peer: Peer, length: number): Promise<number> {
  const { tokenMs } = await ask(peer, { prompt: randomPrompt(length), maxTokens: 1 });
  return (length / firstOf(tokenMs)) * 1000;
}

const STREAM_TOKENS = 48;

/** Few tokens: threads that wait for each other may need seconds for each. */
const CROWDED_TOKENS = 16;

function besideBusy(peer: Peer): Promise<number> {
  return besideBusyProgram(() => streams(peer, 1, CROWDED_TOKENS));
}

/** Tokens of all streams over the time from the first token of the last stream to start until the first one ends. */
export async function streams(peer: Peer, count: number, tokens = STREAM_TOKENS): Promise<number> {
  const started = performance.now();
  const runs = await Promise.all(
    Array.from({ length: count }, async () => {
      const offset = performance.now() - started;
      const { tokenMs } = await ask(peer, { prompt: randomPrompt(32), maxTokens: tokens });
      return tokenMs.map((ms) => ms + offset);
    }),
  );
  const from = Math.max(...runs.map((times) => firstOf(times)));
  const to = Math.min(...runs.map((times) => times.at(-1) ?? 0));
  const within = runs.flat().filter((ms) => ms > from && ms <= to).length;
  return (within / (to - from)) * 1000;
}

/** A long prompt has just begun when a short one arrives. */
async function shortBehindLong(peer: Peer): Promise<number> {
  const stop = new AbortController();
  const long = ask(peer, { prompt: randomPrompt(2048), maxTokens: 8, signal: stop.signal }).catch(() => undefined);
  await pause(300);
  const { tokenMs } = await ask(peer, { prompt: randomPrompt(32), maxTokens: 1 });
  stop.abort();
  await long;
  return firstOf(tokenMs);
}

/** A long prompt arrives while an answer is running. */
async function longestGap(peer: Peer): Promise<number> {
  const stop = new AbortController();
  let longDone: Promise<unknown> = Promise.resolve();
  const { tokenMs } = await ask(peer, {
    prompt: randomPrompt(32),
    maxTokens: 400,
    signal: stop.signal,
    onToken: (count) => {
      if (count !== 8) return;
      longDone = ask(peer, { prompt: randomPrompt(2048), maxTokens: 1 }).finally(() => stop.abort());
    },
  });
  await longDone;
  const gaps = tokenMs.slice(1).map((ms, index) => ms - (tokenMs[index] ?? ms));
  return Math.max(0, ...gaps);
}

async function afterAbort(peer: Peer): Promise<number> {
  const stop = new AbortController();
  const long = ask(peer, { prompt: randomPrompt(4000), maxTokens: 8, signal: stop.signal }).catch(() => undefined);
  await pause(1_000);
  stop.abort();
  await long;
  const { tokenMs } = await ask(peer, { prompt: randomPrompt(32), maxTokens: 1 });
  return firstOf(tokenMs);
}

/** Throws when there is none: a server that answers without text measures nothing. */
export function firstOf(times: readonly number[]): number {
  const [first] = times;
  if (first === undefined) throw new Error("a stream without a token");
  return first;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
