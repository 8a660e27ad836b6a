/** A request about the text around a cursor, with as much of it as the server takes. */
import { aroundCursor, type LeftOut, type Sides } from "./around-cursor.ts";
import { type Piece, Refusal, type Service, type StreamRequest, streamFrom } from "./client.ts";

export interface FittingOptions {
  /** Tokens of prompt and answer together, where the server says it. */
  readonly contextTokens: number | undefined;
  /** Most tokens of the answer. */
  readonly maxTokens: number;
  /** What is sent for a text. */
  readonly requestOf: (sides: Sides) => StreamRequest;
  /** Hears, before the answer, what was left out of the text. */
  readonly onCut: (leftOut: LeftOut, contextTokens: number | undefined) => void;
}

/** More than tokens have in any text but runs of blanks, and less than the usual token of program text; bytes. */
const MOST_BYTES_PER_TOKEN = 8;
const FEW_BYTES_PER_TOKEN = 3;

/** Bytes that are sent at first to a server whose context is not known. */
const MOST_BYTES = 1 << 20;

/** Of the context, what a cut text leaves to a long answer. */
const ANSWER_SHARE = 1 / 4;

/** Of a text that was too long, what is tried next; so many times. A refusal costs the server little: nothing is computed. */
const SHRINK = 0.7;
const ATTEMPTS = 20;

/** Yields the answer. Sends the text around the cursor as a whole where the server takes it, else the nearest whole lines. */
export async function* streamFitting(
  service: Service,
  sides: Sides,
  { contextTokens: known, maxTokens, requestOf, onCut }: FittingOptions,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  let contextTokens = known;
  let budget = known === undefined ? MOST_BYTES : MOST_BYTES_PER_TOKEN * known;
  for (let attempt = 1; ; attempt += 1) {
    const { leftOut, ...kept } = aroundCursor(sides, budget);
    try {
      yield* streamFrom(service, requestOf(kept), signal, () => {
        if (isSomething(leftOut)) onCut(leftOut, contextTokens);
      });
      return;
    } catch (error) {
      if (attempt >= ATTEMPTS || !isTooLong(error)) throw error;
      contextTokens ??= limitIn(error.message);
    }
    const sent = Buffer.byteLength(kept.prefix) + Buffer.byteLength(kept.suffix);
    budget = Math.floor(Math.min(SHRINK * sent, firstCut(contextTokens, maxTokens)));
  }
}

/** Bytes of which most texts fit, with room for the answer. */
function firstCut(contextTokens: number | undefined, maxTokens: number): number {
  if (contextTokens === undefined) return Number.POSITIVE_INFINITY;
  return FEW_BYTES_PER_TOKEN * (contextTokens - Math.min(maxTokens, ANSWER_SHARE * contextTokens));
}

function isSomething({ linesBefore, linesAfter, isLineCut }: LeftOut): boolean {
  return linesBefore > 0 || linesAfter > 0 || isLineCut;
}

/** Servers agree on the status and on nothing else; the words are those of DashScope, OpenAI, llama-server and vLLM. */
function isTooLong(error: unknown): error is Refusal {
  if (!(error instanceof Refusal)) return false;
  return error.status === 413 || (error.status === 400 && /length|context|too (long|large|many)/i.test(error.message));
}

/** `Range of input length should be [1, 5120]`. */
function limitIn(message: string): number | undefined {
  const found = /\[1, (\d+)\]/.exec(message)?.[1];
  return found === undefined ? undefined : Number(found);
}

/** What was left out, for people. */
export function leftOutText(
  { linesBefore, linesAfter, isLineCut }: LeftOut,
  contextTokens: number | undefined,
): string {
  const parts = [
    ...(linesBefore > 0 ? [`the first ${counted(linesBefore)}`] : []),
    ...(linesAfter > 0 ? [`the last ${counted(linesAfter)}`] : []),
    ...(isLineCut ? ["parts of the line at the cursor"] : []),
  ];
  const room =
    contextTokens === undefined ? "the model's context is too small" : `the context has ${contextTokens} tokens`;
  return `left out ${parts.join(" and ")}: ${room}`;
}

function counted(lines: number): string {
  return lines === 1 ? "line" : `${lines} lines`;
}
