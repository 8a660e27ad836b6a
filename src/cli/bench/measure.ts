import { type Service, type StreamRequest, streamFrom, type Usage } from "../client.ts";
import { CommandFailure } from "../failure.ts";
import { keystrokes, programText } from "./text.ts";

export interface Subject {
  readonly service: Service;
  readonly model: string;
  /** It fills in; else typing is measured by continuing the text. */
  readonly fim: boolean;
  /** Requests at the same time in the measure of several. */
  readonly streams: number;
}

/** Times in milliseconds, speeds in tokens per second. */
export interface Figures {
  /** Of a short prompt, median. */
  readonly firstTokenMs: number;
  readonly prefill: { readonly promptTokens: number; readonly perSecond: number };
  /** Of one answer. */
  readonly decodePerSecond: number;
  readonly together: { readonly streams: number; readonly perSecond: number };
  /** First token of each request of a series, each prefix a little longer than the one before. */
  readonly typing: { readonly requests: number; readonly medianMs: number; readonly slowestMs: number };
}

const SHORT_CHARACTERS = 120;
const LONG_CHARACTERS = 4_000;
const ANSWER_TOKENS = 64;
const SHORT_REPETITIONS = 5;
/** About a screen before the cursor and half a screen behind it. */
const TYPING_PREFIX_CHARACTERS = 2_400;
const TYPING_SUFFIX_CHARACTERS = 800;
const KEYSTROKES = 12;

/** Hears how the measuring goes on. */
export interface Listener {
  /** What is measured next. */
  next(what: string): void;
  /** What has been measured. */
  measured(figures: Partial<Figures>): void;
}

/** How many times `next` is called. */
export const STEPS = 6;

/** Measures one after another, about half a minute on a small model. */
export async function measure(subject: Subject, signal: AbortSignal, listener: Listener): Promise<void> {
  listener.next("warming up");
  await run(subject, { prompt: programText(SHORT_CHARACTERS), maxTokens: 8 }, signal);
  listener.next("first token");
  const firsts: number[] = [];
  for (let count = 0; count < SHORT_REPETITIONS; count += 1) {
    const { firstMs } = await run(subject, { prompt: programText(SHORT_CHARACTERS), maxTokens: 1 }, signal);
    firsts.push(firstMs);
  }
  listener.measured({ firstTokenMs: median(firsts) });
  listener.next("reading a prompt");
  const long = await run(subject, { prompt: programText(LONG_CHARACTERS), maxTokens: 1 }, signal);
  const { prompt: promptTokens } = long.usage;
  listener.measured({ prefill: { promptTokens, perSecond: (1_000 * promptTokens) / long.firstMs } });
  listener.next("one answer");
  listener.measured({ decodePerSecond: await together(subject, 1, signal) });
  const { streams } = subject;
  listener.next(`${streams} answers at once`);
  listener.measured({ together: { streams, perSecond: await together(subject, streams, signal) } });
  listener.next("typing");
  const typed = await typing(subject, signal);
  const slowestMs = Math.max(...typed);
  listener.measured({ typing: { requests: typed.length, medianMs: median(typed), slowestMs } });
}

/** Tokens per second of all answers, from the first token of any to the last of any. */
async function together(subject: Subject, streams: number, signal: AbortSignal): Promise<number> {
  const startedMs = performance.now();
  const runs = await Promise.all(
    Array.from({ length: streams }, () =>
      run(subject, { prompt: programText(SHORT_CHARACTERS), maxTokens: ANSWER_TOKENS }, signal, startedMs),
    ),
  );
  const tokens = runs.reduce((sum, { usage }) => sum + usage.completion, 0);
  const firstMs = Math.min(...runs.map((each) => each.firstMs));
  const lastMs = Math.max(...runs.map((each) => each.lastMs));
  if (tokens < 2 || lastMs <= firstMs) {
    throw new CommandFailure("the model ended its answers at once, so their speed cannot be told; try another model");
  }
  // The first token of every answer belongs to the reading of its prompt; with one answer that is exact.
  return (1_000 * (tokens - 1)) / (lastMs - firstMs);
}

async function typing(subject: Subject, signal: AbortSignal): Promise<readonly number[]> {
  const text = programText(TYPING_PREFIX_CHARACTERS + 40 * KEYSTROKES);
  const gap = subject.fim ? { suffix: programText(TYPING_SUFFIX_CHARACTERS) } : {};
  const times: number[] = [];
  for (const prompt of keystrokes(text, TYPING_PREFIX_CHARACTERS, KEYSTROKES + 1)) {
    const { firstMs } = await run(subject, { prompt, ...gap, maxTokens: 1 }, signal);
    times.push(firstMs);
  }
  return times.slice(1); // the first one has the whole text to read, as on opening a file
}

interface Ask {
  readonly prompt: string;
  readonly suffix?: string;
  readonly maxTokens: number;
}

interface Run {
  /** Milliseconds since the start to the first and to the last piece of the answer; where it is empty, to its end. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly usage: Usage;
}

async function run(
  { service, model }: Subject,
  { maxTokens, ...text }: Ask,
  signal: AbortSignal,
  startedMs = performance.now(),
): Promise<Run> {
  const request: StreamRequest = {
    path: "/v1/completions",
    body: {
      ...{ model, ...text, max_tokens: maxTokens, temperature: 0, stream_options: { include_usage: true } },
      speculation: false, // a lucky copy would say nothing about the machine
    },
  };
  const times: number[] = [];
  let usage: Usage | undefined;
  for await (const piece of streamFrom(service, request, signal)) {
    if ("usage" in piece) usage = piece.usage;
    else if ("finish" in piece || piece.text !== "") times.push(performance.now() - startedMs);
  }
  const [firstMs] = times;
  if (firstMs === undefined || usage === undefined) {
    throw new CommandFailure(`${service.url} does not say how many tokens an answer has; is it a Continuo server?`);
  }
  return { firstMs, lastMs: times.at(-1) ?? firstMs, usage };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low = Number.NaN, high = Number.NaN] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  return (low + high) / 2;
}
