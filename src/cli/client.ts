/** A client of our own HTTP API, as small as the commands need it. */
import { createParser } from "eventsource-parser";
import type { Dispatcher } from "undici";
import { CommandFailure } from "./failure.ts";

export interface Service {
  /** Without a trailing slash and without `/v1`; `unix:PATH` for a Unix socket. */
  readonly url: string;
  readonly apiKey?: string;
  /** Connections to the socket; absent: there is none. */
  readonly socket?: Dispatcher;
}

/** A streaming request to one of the two OpenAI-shaped routes. */
export interface StreamRequest {
  readonly path: "/v1/completions" | "/v1/chat/completions";
  readonly body: Readonly<Record<string, unknown>>;
}

/** What came out of a stream, piece by piece: text, why it ended, and the counts if they were asked for (`stream_options`). */
export type Piece = { readonly text: string } | { readonly finish: string } | { readonly usage: Usage };

/** Tokens. */
export interface Usage {
  readonly prompt: number;
  readonly completion: number;
}

/** The server has refused a request. */
export class Refusal extends CommandFailure {
  /** HTTP status. */
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/**
 * Sends a request and yields its answer as it arrives.
 *
 * @param onAccepted is called when the server has taken the request, before the answer
 * @throws Refusal when the server refuses; CommandFailure when there is no server, and when the stream breaks; what `signal` carries when aborted.
 */
export async function* streamFrom(
  service: Service,
  request: StreamRequest,
  signal: AbortSignal,
  onAccepted: () => void = () => undefined,
): AsyncGenerator<Piece> {
  const body = { ...request.body, stream: true };
  const response = await call(service, request.path, { method: "POST", body: JSON.stringify(body) }, signal);
  onAccepted();
  if (response.body === null) throw new CommandFailure(`${service.url} answered without a body`);
  const events: string[] = [];
  const parser = createParser({ onEvent: ({ data }) => events.push(data) });
  const decoder = new TextDecoder();
  let isFinished = false;
  for await (const bytes of bytesOf(response.body, service, signal)) {
    parser.feed(decoder.decode(bytes, { stream: true }));
    for (const data of events.splice(0)) {
      if (data === "[DONE]") isFinished = true;
      else yield* piecesOf(data);
    }
  }
  if (!isFinished)
    throw new CommandFailure("the server ended the stream before the answer was complete; its log says why");
}

/** Sends a request and returns the JSON of its plain answer. Throws like `streamFrom`. */
export async function jsonFrom(
  service: Service,
  path: StreamRequest["path"],
  body: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<unknown> {
  const response = await call(service, path, { method: "POST", body: JSON.stringify(body) }, signal);
  return response.json();
}

/** One entry of the models list, as far as it matters here. */
export interface ListedModel {
  readonly id: string;
  readonly continuo?: {
    readonly stand_in: boolean;
    readonly answered_by: string | null;
    readonly context_length?: number | null;
    readonly capabilities: { readonly fim: boolean };
  };
}

/**
 * The model with this name as the server lists it. One that is not listed, or on a server that lists none, is tried
 * nevertheless: what the server says to that is the best answer.
 */
export async function modelNamed(service: Service, name: string, signal: AbortSignal): Promise<ListedModel> {
  try {
    return (await listedModels(service, signal)).find(({ id }) => id === name) ?? { id: name };
  } catch (error) {
    if (error instanceof Refusal) return { id: name };
    throw error;
  }
}

/** The names that are answered by their own weights, or by any weights at all if there are none of those. */
export async function servedModels(service: Service, signal: AbortSignal): Promise<readonly ListedModel[]> {
  const data = await listedModels(service, signal);
  const answered = data.filter(({ continuo }) => continuo?.answered_by !== null);
  const own = answered.filter(({ continuo }) => continuo?.stand_in === false);
  return own.length > 0 ? own : answered;
}

async function listedModels(service: Service, signal: AbortSignal): Promise<readonly ListedModel[]> {
  const response = await call(service, "/v1/models", {}, signal);
  const { data } = (await response.json()) as { readonly data: readonly ListedModel[] };
  return data;
}

async function call(
  service: Service,
  path: string,
  init: Pick<Sent, "method" | "body">,
  signal: AbortSignal,
): Promise<Reply> {
  const headers = {
    "content-type": "application/json",
    ...(service.apiKey === undefined ? {} : { authorization: `Bearer ${service.apiKey}` }),
  };
  let response: Reply;
  try {
    response = await fetchFrom(service, path, { ...init, headers, signal });
  } catch (error) {
    signal.throwIfAborted();
    throw new CommandFailure(
      `no server answers at ${service.url} (${reasonOf(error)}); start one with \`continuo serve --model FILE\`, ` +
        "name another with --url, or use --model-file FILE to run without a server",
    );
  }
  if (!response.ok) throw new Refusal(await refusalOf(response), response.status);
  return response;
}

/** What a request needs here, of either `fetch`. */
interface Sent {
  readonly method?: string;
  readonly body?: string;
  readonly headers: Record<string, string>;
  readonly signal: AbortSignal;
}

/** What is read of an answer. */
interface Reply extends Pick<Response, "ok" | "status" | "text" | "json"> {
  readonly body: AsyncIterable<Uint8Array> | null;
}

async function fetchFrom({ url, socket }: Service, path: string, sent: Sent): Promise<Reply> {
  if (socket === undefined) return fetch(url + path, sent);
  const { fetch: fetchThrough } = await import("undici");
  return fetchThrough(`http://localhost${path}`, { ...sent, dispatcher: socket });
}

async function* bytesOf(
  body: AsyncIterable<Uint8Array>,
  service: Service,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const bytes of body) yield bytes;
  } catch (error) {
    signal.throwIfAborted();
    throw new CommandFailure(`the connection to ${service.url} broke (${reasonOf(error)})`);
  }
}

interface Chunk {
  readonly error?: { readonly message?: string };
  readonly choices?: readonly {
    readonly text?: string;
    readonly delta?: { readonly content?: string | null };
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
}

function* piecesOf(data: string): Generator<Piece> {
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error !== undefined) throw new CommandFailure(chunk.error.message ?? data);
  for (const { text, delta, finish_reason: finish } of chunk.choices ?? []) {
    yield { text: text ?? delta?.content ?? "" };
    if (typeof finish === "string") yield { finish };
  }
  const { prompt_tokens: prompt, completion_tokens: completion } = chunk.usage ?? {};
  if (prompt !== undefined && completion !== undefined) yield { usage: { prompt, completion } };
}

async function refusalOf(response: Reply): Promise<string> {
  const text = await response.text();
  let message = text;
  try {
    message = (JSON.parse(text) as Chunk).error?.message ?? text;
  } catch {
    // Not ours, or a proxy's: the text itself is all there is to show.
  }
  const hint = response.status === 401 ? "; set CONTINUO_API_KEY to a key of the server" : "";
  return `the server refused (${response.status}): ${message}${hint}`;
}

/** Node's fetch says "fetch failed" and keeps the reason in `cause`. */
function reasonOf(error: unknown): string {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  if (!(cause instanceof Error)) return String(cause);
  return "code" in cause && typeof cause.code === "string" ? cause.code : cause.message;
}
