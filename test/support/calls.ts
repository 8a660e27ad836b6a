/**
 * Raw HTTP calls against a server, so that tests see the bytes and not what a client library makes of them.
 */
import { createParser } from "eventsource-parser";

/** JSON as it came; tests say what they expect of it. */
// biome-ignore lint/suspicious/noExplicitAny: a wire answer has no type until a test has looked at it
export type Json = any;

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The body as text. */
  readonly text: string;
  /** The parsed body; undefined when it is no JSON. */
  readonly json: Json;
}

export interface Streamed {
  readonly status: number;
  readonly headers: Headers;
  /** The body as text, before parsing. */
  readonly text: string;
  /** Parsed events in order; `data: [DONE]` is not among them. */
  readonly events: readonly Json[];
  /** `data: [DONE]` came, as the last event. */
  readonly done: boolean;
}

export const COMPLETIONS = "/compatible-mode/v1/completions";
export const CHAT = "/compatible-mode/v1/chat/completions";
export const NATIVE = "/api/v1/services/aigc/text-generation/generation";

export async function post(
  url: string,
  path: string,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
  signal?: AbortSignal,
): Promise<Answer> {
  const response = await fetch(`${url}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal }),
  });
  return answer(response);
}

export async function get(url: string, path: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return answer(await fetch(`${url}${path}`, { headers }));
}

/** A streamed call; on NATIVE the header that turns streaming on is added, elsewhere `stream: true`. */
export async function postStream(
  url: string,
  path: string,
  body: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Streamed> {
  const isNative = path === NATIVE;
  const asked = isNative ? body : { ...body, stream: true };
  const sse = isNative ? { "x-dashscope-sse": "enable" } : undefined;
  const { status, headers: received, text } = await post(url, path, asked, { ...sse, ...headers });
  const data = eventData(text);
  const done = data.at(-1) === "[DONE]";
  const events = (done ? data.slice(0, -1) : data).map((json) => JSON.parse(json) as unknown);
  return { status, headers: received, text, events, done };
}

/** Text of a COMPL, CHAT or NATIVE answer (its first choice). */
export function textOf(json: Json): string {
  if (json.output !== undefined) return json.output.choices?.[0].message.content ?? json.output.text;
  return json.choices[0].text ?? json.choices[0].message.content;
}

/** The joined text of a COMPL, CHAT or incremental NATIVE stream (its first choice). */
export function joinedText(events: readonly Json[]): string {
  return events.map(pieceOf).join("");
}

function pieceOf(event: Json): string {
  if (event.output !== undefined) return textOf(event);
  const choice = event.choices[0];
  return choice?.text ?? choice?.delta?.content ?? "";
}

/** The value of a counter or gauge, summed over the lines that have `label`; 0 when there is none. */
export async function metric(
  url: string,
  name: string,
  { label = "", headers = {} }: { readonly label?: string; readonly headers?: Readonly<Record<string, string>> } = {},
): Promise<number> {
  const { status, text } = await get(url, "/metrics", headers);
  if (status !== 200) throw new Error(`/metrics answered ${status}`);
  const lines = text.split("\n").filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
  const values = lines.filter((line) => line.includes(label)).map((line) => Number(line.slice(line.lastIndexOf(" "))));
  return values.reduce((sum, value) => sum + value, 0);
}

/** Waits until a fact holds; rejects with `what` when it does not within the time, ms. */
export async function eventually(what: string, fact: () => Promise<boolean>, timeoutMs = 30_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!(await fact())) {
    if (Date.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

async function answer(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, json: parsed(text) };
}

function parsed(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    // Not JSON: the test reads the text.
    return undefined;
  }
}

function eventData(text: string): readonly string[] {
  const data: string[] = [];
  const parser = createParser({ onEvent: (event) => void data.push(event.data) });
  parser.feed(text);
  return data;
}
