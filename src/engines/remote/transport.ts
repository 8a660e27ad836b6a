import type { Readable } from "node:stream";
import { type Dispatcher, Pool } from "undici";
import type { TraceContext } from "../../continuation/trace.ts";
import { ServiceError } from "../../errors.ts";
import { type Address, addressOf } from "./address.ts";
import { BadStream, EventReader, LineReader, type PieceSplitter } from "./event-stream.ts";
import { isObject, parsed } from "./json.ts";
import { Timer } from "./timer.ts";
import { malformed, type Refusal, refused, refusedLate, unreachable } from "./upstream-error.ts";

/** Milliseconds; 0 sets no limit. */
export interface UpstreamLimits {
  /** Until a connection stands. */
  readonly connectMs: number;
  /** From the request to the first piece of the answer. */
  readonly firstTokenMs: number;
  /** Between two pieces of it, while somebody waits for the next one. */
  readonly idleMs: number;
  /** The whole answer. */
  readonly totalMs: number;
}

export interface UpstreamOptions {
  /** What messages call it. */
  readonly name: string;
  readonly url: string;
  readonly apiKey?: string;
  /** PEM texts. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string };
  readonly limits: UpstreamLimits;
}

/** Bytes of a plain answer that are read: lists of models and token ids of long prompts. */
const MAX_PLAIN_BYTES = 64 * 1024 * 1024;
/** Bytes of an error that are read. */
const MAX_ERROR_BYTES = 64 * 1024;
/** Milliseconds for what follows the last piece of an answer: its usage, and the end that lets a connection be used again. */
const REST_MS = 500;

/** How far an answer is: nothing has come; something has; all of it has, and what may follow is worth a moment. */
export type Phase = "first" | "next" | "rest";

/** Milliseconds within which the use of a closed connection fails. */
const STALE_MS = 1_000;

type Reply = Dispatcher.ResponseData;

/** What is sent, beside what every request has. */
export interface Question {
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One engine elsewhere, over HTTP. Whatever fails is a `ServiceError`, or the reason of the signal. */
export class Upstream {
  readonly name: string;
  readonly address: Address;
  readonly #pool: Pool;
  readonly #listeners = new Set<() => void>();
  /** Whose connections serve once. */
  readonly #fresh: Pool;
  readonly #limits: UpstreamLimits;
  readonly #headers: Readonly<Record<string, string>>;

  constructor({ name, url, apiKey, tls, limits }: UpstreamOptions) {
    this.name = name;
    this.address = addressOf(url);
    this.#limits = limits;
    this.#headers = {
      "user-agent": "continuo",
      "accept-encoding": "identity", // packed events would wait for one another
      ...(apiKey !== undefined && { authorization: `Bearer ${apiKey}` }),
    };
    const options: Pool.Options = {
      connect: { timeout: limits.connectMs, ...tls },
      // How long an answer may take is told here, where it is known what has come of it.
      headersTimeout: 0,
      bodyTimeout: 0,
    };
    this.#pool = new Pool(this.address.origin, options);
    this.#pool.on("disconnect", () => {
      for (const listener of this.#listeners) listener();
    });
    this.#fresh = new Pool(this.address.origin, { ...options, pipelining: 0 });
  }

  /** Calls back whenever a connection is gone: perhaps the engine is. */
  onDisconnect(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** A plain JSON answer. @param timeoutMs for all of it. */
  async json(
    method: "GET" | "POST",
    path: string,
    timeoutMs: number,
    signal: AbortSignal,
    body?: unknown,
  ): Promise<unknown> {
    const timer = new Timer(signal);
    try {
      timer.start(timeoutMs, () => this.#tooSlow("the answer"));
      const reply = await this.#request(method, { path, body }, "application/json", timer.signal);
      const text = await this.#text(reply, MAX_PLAIN_BYTES, timer.signal);
      const json = parsed(text);
      if (json === undefined) throw malformed(this.name, `no JSON at ${path}`);
      return json.value;
    } catch (error) {
      throw this.#told(error, timer.signal);
    } finally {
      timer.stop();
    }
  }

  /**
   * The `data` of the events of a streamed answer, or its lines, those that came together as one list, read when it is asked
   * for: a slow reader slows the engine. Leaving the loop, or the signal, cuts the connection at once.
   *
   * @param phase which limit counts while the next event is waited for.
   * @param trace headers of the request's place in a trace.
   */
  async *events(
    question: Question,
    phase: () => Phase,
    signal: AbortSignal,
    trace: Partial<TraceContext> = {},
  ): AsyncGenerator<readonly string[]> {
    const timer = new Timer(signal);
    let source: Readable | undefined;
    try {
      timer.limit(this.#limits.totalMs, () => this.#tooSlow("the whole answer"));
      const startedMs = performance.now();
      let restSinceMs: number | undefined;
      const wait = (): void => {
        const next = phase();
        if (next === "rest") restSinceMs ??= performance.now();
        this.#wait(timer, next, restSinceMs ?? startedMs);
      };
      wait();
      const reply = await this.#request("POST", question, "text/event-stream", timer.signal, trace);
      source = reply.body;
      const reader = await this.#readerOf(reply, timer.signal);
      for await (const bytes of piecesOf(source, timer.signal)) {
        timer.stopWaiting();
        const events = reader.push(bytes);
        if (events.length > 0) yield events;
        wait();
      }
      yield reader.end();
    } catch (error) {
      if (timer.signal.reason !== ENOUGH) throw this.#told(error, timer.signal);
    } finally {
      timer.stop();
      source?.destroy();
    }
  }

  async close(): Promise<void> {
    await Promise.all([this.#pool.destroy(), this.#fresh.destroy()]);
  }

  /** @param sinceMs when the wait for the first token, or for the rest, began: what comes in between does not extend it. */
  #wait(timer: Timer, phase: Phase, sinceMs: number): void {
    const { firstTokenMs, idleMs } = this.#limits;
    const leftOf = (ms: number): number => (ms === 0 ? 0 : Math.max(1, ms - (performance.now() - sinceMs)));
    if (phase === "rest") timer.start(leftOf(REST_MS), () => ENOUGH);
    else if (phase === "next") timer.start(idleMs, () => this.#tooSlow("the next token"));
    else timer.start(leftOf(firstTokenMs), () => this.#tooSlow("the first token"));
  }

  async #request(
    method: "GET" | "POST",
    { path, body, headers }: Question,
    accept: string,
    signal: AbortSignal,
    trace: Partial<TraceContext> = {},
  ): Promise<Reply> {
    const reply = await this.#sent(signal, {
      method,
      path,
      headers: {
        ...this.#headers,
        ...trace,
        accept,
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined ? null : JSON.stringify(body),
      signal,
    });
    reply.body.on("error", () => {}); // whoever reads the body gets the error too
    if (reply.statusCode === 200) return reply;
    throw refused(this.name, await this.#refusal(reply, signal));
  }

  /** A connection that the engine closed while it was idle fails as soon as it is used; that says nothing of the engine. */
  async #sent(signal: AbortSignal, request: Dispatcher.RequestOptions): Promise<Reply> {
    const sentMs = performance.now();
    try {
      return await this.#pool.request(request);
    } catch (error) {
      const isStale = isCut(error) && performance.now() - sentMs < STALE_MS && !signal.aborted;
      if (!isStale) throw error;
      return await this.#fresh.request(request);
    }
  }

  async #refusal(reply: Reply, signal: AbortSignal): Promise<Refusal> {
    const text = await this.#text(reply, MAX_ERROR_BYTES, signal).catch(() => "");
    const after = reply.headers["retry-after"];
    return {
      status: reply.statusCode,
      body: parsed(text)?.value ?? text,
      ...(typeof after === "string" && { retryAfter: after }),
    };
  }

  /** Some engines say with status 200 that they failed. */
  async #readerOf(reply: Reply, signal: AbortSignal): Promise<PieceSplitter> {
    const type = String(reply.headers["content-type"] ?? "no content type");
    if (/^text\/event-stream\b/i.test(type)) return new EventReader();
    if (/^application\/x-ndjson\b/i.test(type)) return new LineReader();
    const json = parsed(await this.#text(reply, MAX_ERROR_BYTES, signal).catch(() => ""))?.value;
    if (isObject(json) && json["error"] !== undefined) throw refusedLate(this.name, json);
    throw malformed(this.name, `${type} where an event stream was asked for`);
  }

  async #text({ body }: Reply, most: number, signal: AbortSignal): Promise<string> {
    const pieces: Uint8Array[] = [];
    let size = 0;
    for await (const bytes of piecesOf(body, signal)) {
      size += bytes.length;
      if (size > most) throw malformed(this.name, `more than ${most} bytes`);
      pieces.push(bytes);
    }
    return Buffer.concat(pieces).toString("utf8");
  }

  #told(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof ServiceError) return error;
    if (error instanceof BadStream) return malformed(this.name, error.message, error);
    return unreachable(this.name, error);
  }

  #tooSlow(what: string): ServiceError {
    return new ServiceError("request_timeout", `the engine "${this.name}" took too long for ${what}`);
  }
}

function isCut(error: unknown): boolean {
  return error instanceof Error && "code" in error && CUT.has(error.code);
}

const CUT: ReadonlySet<unknown> = new Set(["UND_ERR_SOCKET", "ECONNRESET", "EPIPE"]);

/** What nobody waits for any longer, although it is no failure. */
const ENOUGH = new Error("the rest of an answer is not waited for");

/** The pieces of a body as they are asked for. An abort is not waited for by anybody, and ends the connection. */
async function* piecesOf(body: Readable, signal: AbortSignal): AsyncGenerator<Uint8Array> {
  const cut = (): void => void body.destroy();
  signal.addEventListener("abort", cut, { once: true });
  try {
    signal.throwIfAborted();
    for await (const bytes of body) yield bytes as Uint8Array;
    signal.throwIfAborted();
  } finally {
    signal.removeEventListener("abort", cut);
  }
}
