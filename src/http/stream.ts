import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import { breaksPromise, type Guarantee } from "../continuation/guarantee.ts";
import type { StartPart, StreamPart } from "../continuation/output.ts";
import { ServiceError } from "../errors.ts";
import type { Encoder } from "../protocols/protocol.ts";
import type { Call } from "./call.ts";
import { Cut } from "./call.ts";
import { GapEnds } from "./gap-end-header.ts";
import type { TokenLimits } from "./token-limits.ts";

/** A line that event readers skip (WHATWG HTML, server-sent events, "comments"). */
const HEARTBEAT = ": keep-alive\n\n";

/** UTF-16 units of events that are written as one. */
const MOST_GATHERED = 16 * 1024;

export interface StreamLimits {
  readonly heartbeatMs: number;
  readonly stallTimeoutMs: number;
}

/**
 * Writes a stream of events and ends the response. The status line goes out with the first event, so whatever fails
 * before is thrown and can still be a plain answer; what fails later becomes the protocol's own error event.
 *
 * @param headersOf the response headers, once the start part is known.
 * @param toServiceError what the client is told of a failure; undefined when there is nobody left to tell.
 * @param limits how long a token may take, from now on.
 * @returns the failure that went into the stream, if any.
 */
export async function sendStream(
  parts: AsyncIterable<StreamPart>,
  encoder: Encoder,
  writer: EventWriter,
  headersOf: (part: StreamPart & { readonly type: "start" }) => OutgoingHttpHeaders,
  toServiceError: (error: unknown) => ServiceError | undefined,
  limits: TokenLimits,
): Promise<ServiceError | undefined> {
  const ends = new GapEnds();
  const promise = new HeadersPromise();
  try {
    for await (const part of parts) {
      limits.came(part);
      ends.came(part);
      if (part.type === "start") {
        promise.renew(part, writer.hasBegun);
        writer.ready(headersOf(part));
      }
      const writing = writer.write(encoder.part(part));
      if (writing !== undefined) await writing;
      limits.taken();
    }
    limits.close();
    await writer.write(encoder.end());
    writer.trailers(ends.trailers());
    await writer.end();
    return undefined;
  } catch (error) {
    if (!writer.hasBegun) throw error;
    const failure = toServiceError(error);
    if (failure === undefined) throw error;
    await writer.last(encoder.failure(failure));
    return failure;
  } finally {
    limits.close();
    writer.close();
  }
}

/** What the headers of an answer say of all of its prompts. */
class HeadersPromise {
  #promised: Guarantee | undefined;

  /** Throws `unsupported_input` when headers that have left promised more. */
  renew({ guarantee }: StartPart, haveLeft: boolean): void {
    if (!haveLeft) this.#promised = guarantee;
    else if (breaksPromise(guarantee, this.#promised)) throw weakerThan(this.#promised);
  }
}

function weakerThan(promised: Guarantee | undefined): ServiceError {
  const message = `the answer promised "${promised}" for all of its prompts, and one of them gets less; send the prompts one by one, or without "stream"`;
  return new ServiceError("unsupported_input", message, { param: "prompt" });
}

/** Events onto one response, never faster than the client takes them. */
export class EventWriter {
  readonly #response: ServerResponse;
  readonly #call: Call;
  readonly #limits: StreamLimits;
  #headers: OutgoingHttpHeaders | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  /** Events of this moment, to be written as one: each piece of a response has a header and goes out in four buffers. */
  #gathered = "";

  constructor(response: ServerResponse, call: Call, limits: StreamLimits) {
    this.#response = response;
    this.#call = call;
    this.#limits = limits;
  }

  /** True once the status line is on its way. */
  get hasBegun(): boolean {
    return this.#response.headersSent;
  }

  /** From here on there is a stream to keep alive. Called again, before the headers have left, it has others for them. */
  ready(headers: OutgoingHttpHeaders): void {
    if (this.hasBegun) return;
    this.#headers = headers;
    clearTimeout(this.#heartbeat);
    if (this.#limits.heartbeatMs > 0) this.#heartbeat = setTimeout(() => this.#beat(), this.#limits.heartbeatMs);
  }

  /** Whole events. Undefined: the client has room for more; else resolves when it has. Throws the call's `Cut`. */
  write(events: string): Promise<void> | undefined {
    if (events === "") return undefined;
    this.#call.signal.throwIfAborted();
    this.#begin();
    this.#heartbeat?.refresh();
    if (this.#gathered === "") process.nextTick(() => this.#flush()); // before anything else arrives
    this.#gathered += events;
    if (this.#gathered.length >= MOST_GATHERED) this.#flush();
    return this.#response.writableNeedDrain ? this.#once("drain") : undefined;
  }

  /** What is said behind the last event. */
  trailers(headers: Record<string, string>): void {
    this.#response.addTrailers(headers);
  }

  /** Ends the response and waits until it has left. */
  async end(): Promise<void> {
    this.#call.signal.throwIfAborted();
    this.#begin();
    await this.#finish();
  }

  /** An event after which nothing comes, also when the call has been cut. */
  async last(events: string): Promise<void> {
    if (this.#response.destroyed) return;
    this.#gathered += events;
    await this.#finish();
  }

  /** Stops the heartbeat. */
  close(): void {
    clearTimeout(this.#heartbeat);
  }

  #begin(): void {
    if (!this.#response.headersSent) this.#response.writeHead(200, this.#headers);
  }

  #beat(): void {
    if (this.#response.destroyed || this.#response.writableEnded) return;
    this.#begin();
    if (!this.#response.writableNeedDrain) this.#response.write(HEARTBEAT);
    this.#heartbeat?.refresh();
  }

  #flush(): void {
    const events = this.#gathered;
    this.#gathered = "";
    if (events !== "" && !this.#response.destroyed) this.#response.write(events);
  }

  async #finish(): Promise<void> {
    this.close();
    if (this.#response.destroyed) throw new Cut("client_left");
    this.#flush();
    this.#response.end();
    if (!this.#response.writableFinished) await this.#once("finish");
  }

  /** Waits for an event of the response, but not beyond its connection, nor longer than a client may stall. */
  #once(event: "drain" | "finish"): Promise<void> {
    const response = this.#response;
    const signal = this.#call.signal;
    return new Promise((resolve, reject) => {
      const settle = (error: unknown): void => {
        clearTimeout(stall);
        response.off(event, done).off("close", closed);
        signal.removeEventListener("abort", aborted);
        if (error === undefined) resolve();
        else reject(error);
      };
      const done = (): void => settle(undefined);
      const closed = (): void => settle(new Cut("client_left"));
      const aborted = (): void => settle(signal.reason);
      const stalled = (): void => {
        this.#call.cut("stalled_reader");
        settle(new Cut("stalled_reader"));
      };
      const limitMs = this.#limits.stallTimeoutMs;
      const stall = limitMs > 0 ? setTimeout(stalled, limitMs) : undefined;
      response.once(event, done).once("close", closed);
      signal.addEventListener("abort", aborted, { once: true });
      if (response.closed) closed();
    });
  }
}
