/** One request of an editor, timed. */
import { createParser } from "eventsource-parser";

export interface EditorRequest {
  readonly prefix: string;
  readonly suffix: string;
  readonly maxTokens: number;
  readonly stop?: readonly string[];
  /** Absent: the editor names none. */
  readonly document?: string;
}

export interface EditorAnswer {
  /** Until the first text; absent: there was none. */
  readonly firstTextMs?: number;
  readonly text: string;
  /** Of `x-continuo-memory`. */
  readonly memory?: string;
  readonly reason?: string;
}

interface Chunk {
  readonly choices?: readonly { readonly text: string; readonly finish_reason: string | null }[];
}

/** Greedy. */
export async function complete(url: string, request: EditorRequest): Promise<EditorAnswer> {
  const { prefix, suffix, maxTokens, stop, document } = request;
  const startedMs = performance.now();
  const response = await fetch(`${url}/v1/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...(document !== undefined && { "x-continuo-document": document }) },
    body: JSON.stringify({
      model: "bench",
      prompt: prefix,
      suffix,
      max_tokens: maxTokens,
      temperature: 0,
      stop,
      stream: true,
    }),
  });
  if (!response.ok || response.body === null)
    throw new Error(`answered with ${response.status}: ${await response.text()}`);
  const memory = response.headers.get("x-continuo-memory") ?? undefined;
  let text = "";
  let firstTextMs: number | undefined;
  let reason: string | undefined;
  const parser = createParser({
    onEvent: ({ data }) => {
      const [choice] = data === "[DONE]" ? [] : ((JSON.parse(data) as Chunk).choices ?? []);
      if (choice === undefined) return;
      if (choice.text !== "") firstTextMs ??= performance.now() - startedMs;
      text += choice.text;
      reason = choice.finish_reason ?? reason;
    },
  });
  for await (const bytes of response.body.pipeThrough(new TextDecoderStream())) parser.feed(bytes);
  return {
    text,
    ...(firstTextMs !== undefined && { firstTextMs }),
    ...(memory !== undefined && { memory }),
    ...(reason !== undefined && { reason }),
  };
}
