/** One streamed completion, with the time of every piece of text. */
import { createParser } from "eventsource-parser";

export interface Timed {
  /** Milliseconds from sending the request to each event with a token, in order. */
  readonly tokenMs: readonly number[];
}

export interface Ask {
  readonly prompt: readonly number[];
  readonly maxTokens: number;
  readonly signal?: AbortSignal;
  readonly onToken?: (count: number) => void;
}

/** How a server is asked, and which of its events carry text. */
export interface Dialect {
  readonly path: string;
  body(ask: Ask): unknown;
  hasText(event: unknown): boolean;
}

/**
 * Greedy, without penalties, one of eight letters every time: the same work on every server, no early end, text in
 * every event, and no bytes that llama-server would refuse to print.
 */
export const CONTINUO: Dialect = {
  path: "/v1/completions",
  body: ({ prompt, maxTokens }) => ({
    ...{ model: "bench", prompt, max_tokens: maxTokens, temperature: 0, repetition_penalty: 1, stream: true },
    logit_bias: Object.fromEntries(LETTERS.map((id) => [id, 100])),
  }),
  hasText: (event) => (event as { choices?: readonly { text: string }[] }).choices?.[0]?.text !== "",
};

export const LLAMA_SERVER: Dialect = {
  path: "/completion",
  body: ({ prompt, maxTokens }) => ({
    ...{ prompt, n_predict: maxTokens, temperature: 0, repeat_penalty: 1, stream: true },
    logit_bias: LETTERS.map((id) => [id, 100]),
  }),
  hasText: (event) => (event as { content?: string }).content !== "",
};

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
  const parser = createParser({
    onEvent: ({ data }) => {
      if (data === "[DONE]") return;
      const event: unknown = JSON.parse(data);
      if (typeof event === "object" && event !== null && "error" in event) throw new Error(`${url}: ${data}`);
      if (!dialect.hasText(event)) return;
      tokenMs.push(performance.now() - started);
      onToken?.(tokenMs.length);
    },
  });
  const decoder = new TextDecoder();
  try {
    for await (const bytes of response.body) parser.feed(decoder.decode(bytes, { stream: true }));
  } catch (error) {
    if (signal?.aborted !== true) throw error;
  }
  return { tokenMs };
}

/** The letters a to h in the Qwen vocabulary. */
const LETTERS: readonly number[] = [64, 65, 66, 67, 68, 69, 70, 71];

/** Distinct ordinary tokens, so that no prompt shares a prefix with another. */
export function randomPrompt(length: number): readonly number[] {
  return Array.from({ length }, () => 1_000 + Math.floor(Math.random() * 100_000));
}
