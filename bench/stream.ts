/** One streamed completion, with the time of every piece of text. */
import { createParser, type EventSourceParser } from "eventsource-parser";

export interface Timed {
  /** Milliseconds from sending the request to each event with text, in order. One event is one token, unless drafts are on. */
  readonly tokenMs: readonly number[];
  readonly text: string;
  /** Tokens of the answer as the server counts them; undefined where the answer was given up. */
  readonly tokens?: number;
}

/** Token ids, a text, or a gap to fill in. */
export type Prompt = readonly number[] | string | Gap;

export interface Gap {
  readonly prefix: string;
  readonly suffix: string;
  /** psm: prefix, suffix, middle. spm: suffix, prefix, middle. */
  readonly order: "psm" | "spm";
}

export interface Ask {
  readonly prompt: Prompt;
  readonly maxTokens: number;
  /** Only tokens of these ids. Default: eight letters, so that every event has text that can be printed. `free`: any token. */
  readonly answer?: "letters" | "free";
  /** Prompt-lookup drafts; default off, which llama-server decides when it starts. */
  readonly speculation?: boolean;
  readonly signal?: AbortSignal;
  readonly onToken?: (count: number) => void;
}

/** How a server is asked, and the text of its events. */
export interface Dialect {
  readonly path: string;
  body(ask: Ask): unknown;
  textOf(event: unknown): string;
  /** In the event that has the counts. */
  tokensOf(event: unknown): number | undefined;
}

/** Greedy and without penalties on both servers: the same work, and no early end. */
export const CONTINUO: Dialect = {
  path: "/v1/completions",
  body: ({ prompt, maxTokens, answer, speculation = false }) => ({
    ...{ model: "bench", max_tokens: maxTokens, temperature: 0, repetition_penalty: 1, speculation },
    ...{ stream: true, stream_options: { include_usage: true } },
    ...(isGap(prompt) ? { model: modelOf(prompt), prompt: prompt.prefix, suffix: prompt.suffix } : { prompt }),
    ...(answer !== "free" && { logit_bias: Object.fromEntries(LETTERS.map((id) => [id, 100])) }),
  }),
  textOf: (event) => (event as { choices?: readonly { text?: string }[] }).choices?.[0]?.text ?? "",
  tokensOf: (event) => (event as { usage?: { completion_tokens: number } | null }).usage?.completion_tokens,
};

export const LLAMA_SERVER: Dialect = {
  path: "/completion",
  body: ({ prompt, maxTokens, answer }) => ({
    ...{ n_predict: maxTokens, temperature: 0, repeat_penalty: 1, stream: true, cache_prompt: true },
    prompt: isGap(prompt) ? rendered(prompt) : prompt,
    ...(answer !== "free" && { logit_bias: LETTERS.map((id) => [id, 100]) }),
  }),
  textOf: (event) => (event as { content?: string }).content ?? "",
  tokensOf: (event) => {
    const { stop, tokens_predicted: tokens } = event as { stop?: boolean; tokens_predicted?: number };
    return stop === true ? tokens : undefined;
  },
};

/** The name under which our server fills in suffix first (`peers.ts` configures it). */
export const SUFFIX_FIRST_MODEL = "bench-spm";

/** An abort keeps what came. */
export async function ask({ url, dialect }: { url: string; dialect: Dialect }, question: Ask): Promise<Timed> {
  const { signal, onToken } = question;
  const started = performance.now();
  const response = await fetch(url + dialect.path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(dialect.body(question)),
    ...(signal !== undefined && { signal }),
  });
  if (!response.ok || response.body === null) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  const tokenMs: number[] = [];
  const texts: string[] = [];
  let tokens: number | undefined;
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === "[DONE]") return;
      const event: unknown = JSON.parse(data);
      if (typeof event === "object" && event !== null && "error" in event) throw new Error(`${url}: ${data}`);
      tokens = dialect.tokensOf(event) ?? tokens;
      const text = dialect.textOf(event);
      if (text === "") return;
      texts.push(text);
      tokenMs.push(performance.now() - started);
      onToken?.(tokenMs.length);
    },
  });
  const reading = feed(parser, response.body);
  try {
    await (signal === undefined ? reading : Promise.race([reading, rejectedBy(signal)]));
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
  return { tokenMs, text: texts.join(""), ...(tokens !== undefined && { tokens }) };
}

async function feed(parser: EventSourceParser, body: ReadableStream<Uint8Array>): Promise<void> {
  const decoder = new TextDecoder();
  for await (const bytes of body) parser.feed(decoder.decode(bytes, { stream: true }));
}

/** Node 20's fetch does not always settle when it is aborted between the headers and the body. */
export function rejectedBy(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

/** The letters a to h in the Qwen vocabulary. */
const LETTERS: readonly number[] = [64, 65, 66, 67, 68, 69, 70, 71];

/** Ordinary tokens of any vocabulary that has 50 000; no prompt shares a prefix with another. */
export function randomPrompt(length: number): readonly number[] {
  return Array.from({ length }, () => 1_000 + Math.floor(Math.random() * 40_000));
}

function isGap(prompt: Prompt): prompt is Gap {
  return typeof prompt === "object" && "prefix" in prompt;
}

function modelOf({ order }: Gap): string {
  return order === "spm" ? SUFFIX_FIRST_MODEL : "bench";
}

/** llama-server finds control tokens in the text of a prompt. */
function rendered({ prefix, suffix, order }: Gap): string {
  const [before, after] = [`<|fim_prefix|>${prefix}`, `<|fim_suffix|>${suffix}`];
  return `${order === "psm" ? before + after : after + before}<|fim_middle|>`;
}
