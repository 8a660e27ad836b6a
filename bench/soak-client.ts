/** One client of the soak: requests of every kind one after another, some of them given up on the way. */
import { createParser } from "eventsource-parser";
import { CHAT, COMPLETIONS, NATIVE } from "../test/support/calls.ts";
import type { Random } from "../test/support/random.ts";
import { rejectedBy } from "./stream.ts";

/** How a request ended. */
export type Outcome =
  /** The whole answer came. */
  | { readonly kind: "completed" }
  /** We left, as planned. */
  | { readonly kind: "aborted"; readonly at: AbortPoint }
  /** An error as docs/wire.md describes it: status and code. */
  | { readonly kind: "refused"; readonly reason: string }
  /** Anything else. */
  | { readonly kind: "broken"; readonly reason: string };

/** Right after sending, while the prompt is evaluated, or in the middle of the answer. */
export type AbortPoint = "queued" | "prefill" | "decode";

interface Call {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;
  readonly isStream: boolean;
}

/** Of all requests, those that are given up; a third each at the three points. */
const ABORT_SHARE = 0.25;
/** Most prompts are much shorter; what is given up while it is evaluated is long. */
const MAX_PROMPT_WORDS = 300;
const MAX_ANSWER_TOKENS = 160;

/** Sends one request and reads its answer. Never throws. */
export async function request(url: string, random: Random): Promise<Outcome> {
  const abortAt =
    random.uniform() < ABORT_SHARE ? pick<AbortPoint>(random, ["queued", "prefill", "decode"]) : undefined;
  const promptWords = abortAt === "prefill" ? MAX_PROMPT_WORDS : 4 + MAX_PROMPT_WORDS * random.uniform() ** 4;
  const call = randomCall(random, promptWords);
  const abort = new AbortController();
  const leave = (): void => abort.abort();
  // A plain answer shows nothing on the way, so there a time stands for the place.
  const delayMs =
    abortAt === undefined || (abortAt === "decode" && call.isStream) ? undefined : delayOf(abortAt, random);
  const timer = delayMs === undefined ? undefined : setTimeout(leave, delayMs);
  const events = abortAt === "decode" ? 1 + Math.floor(20 * random.uniform()) : Number.POSITIVE_INFINITY;
  try {
    const answered = send(url, call, abort.signal, (count) => {
      if (count >= events) leave();
    });
    return await Promise.race([answered, rejectedBy(abort.signal)]);
  } catch (error) {
    if (abortAt !== undefined && abort.signal.aborted) return { kind: "aborted", at: abortAt };
    return { kind: "broken", reason: reasonOf(error) };
  } finally {
    clearTimeout(timer);
  }
}

async function send(
  url: string,
  { path, body, headers, isStream }: Call,
  signal: AbortSignal,
  onEvent: (count: number) => void,
): Promise<Outcome> {
  const response = await fetch(url + path, {
    ...{ method: "POST", headers: { "content-type": "application/json", ...headers }, signal },
    body: JSON.stringify(body),
  });
  if (!response.ok) return refusal(response.status, await response.text());
  if (!isStream) return whole((await response.json()) as Answer);
  if (response.body === null) return { kind: "broken", reason: "a stream without a body" };
  let count = 0;
  let end: Outcome | undefined;
  const parser = createParser({
    onEvent: ({ data }) => {
      count += 1;
      onEvent(count);
      if (data === "[DONE]" || end?.kind === "refused") return;
      const outcome = outcomeOf(JSON.parse(data) as Answer);
      if (outcome !== undefined) end = outcome;
    },
  });
  const decoder = new TextDecoder();
  for await (const bytes of response.body) parser.feed(decoder.decode(bytes, { stream: true }));
  return end ?? { kind: "broken", reason: "a stream that ended without a finish reason" };
}

/** What the three wires have where an answer ends or fails. */
interface Answer {
  readonly error?: { readonly code?: string; readonly message?: string };
  readonly code?: string;
  readonly choices?: readonly { readonly finish_reason?: string | null }[];
  readonly output?: { readonly choices?: readonly { readonly finish_reason?: string | null }[] };
}

/** Undefined where the answer goes on. */
function outcomeOf({ error, code, choices, output }: Answer): Outcome | undefined {
  const refused = error?.code ?? code;
  if (refused !== undefined && refused !== "") return { kind: "refused", reason: `in the stream: ${refused}` };
  const reason = (choices ?? output?.choices)?.[0]?.finish_reason;
  return typeof reason === "string" && reason !== "null" ? { kind: "completed" } : undefined;
}

function whole(answer: Answer): Outcome {
  return outcomeOf(answer) ?? { kind: "broken", reason: "a plain answer without a finish reason" };
}

function refusal(status: number, text: string): Outcome {
  try {
    const { error, code } = JSON.parse(text) as Answer;
    const name = error?.code ?? code;
    if (name !== undefined) return { kind: "refused", reason: `${status} ${name}` };
  } catch {
    // Not JSON, so none of ours.
  }
  return { kind: "broken", reason: `${status} with a body that is no documented error: ${text.slice(0, 80)}` };
}

function randomCall(random: Random, promptWords: number): Call {
  const isStream = random.uniform() < 0.6;
  const prefix = words(random, promptWords);
  const limit = { max_tokens: 1 + Math.floor(MAX_ANSWER_TOKENS * random.uniform()) };
  const messages = [
    { role: "user", content: prefix },
    { role: "assistant", content: words(random, 12), partial: true },
  ];
  const openAi = (path: string, model: string, body: object): Call => {
    return { path, body: { model, ...limit, ...body, stream: isStream }, headers: {}, isStream };
  };
  const coder = "qwen2.5-coder-32b-instruct";
  switch (pick(random, ["raw", "fim", "chat", "native"])) {
    case "raw":
      return openAi(COMPLETIONS, coder, { prompt: prefix });
    case "fim":
      return openAi("/v1/completions", coder, { prompt: prefix, suffix: words(random, 80) });
    case "chat":
      return openAi(CHAT, "qwen-plus", { messages });
    default:
      return {
        path: NATIVE,
        body: {
          ...{ model: "qwen-plus", input: { messages } },
          parameters: { ...limit, result_format: "message", incremental_output: isStream },
        },
        headers: isStream ? { "x-dashscope-sse": "enable" } : {},
        isStream,
      };
  }
}

function delayOf(at: AbortPoint, random: Random): number {
  if (at === "queued") return 3 * random.uniform();
  // From 20 ms to 2 s: how long a prompt waits for a slot depends on the machine.
  return at === "prefill" ? 20 * 100 ** random.uniform() : 50 + 400 * random.uniform();
}

function words(random: Random, count: number): string {
  const texts = Array.from({ length: Math.ceil(count) }, () => (random.bits() >>> 0).toString(36).slice(0, 5));
  return texts.join(" ");
}

function pick<T>(random: Random, choices: readonly [T, ...T[]]): T {
  return choices[Math.floor(random.uniform() * choices.length)] ?? choices[0];
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  return cause instanceof Error ? cause.message : String(cause);
}
