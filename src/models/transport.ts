/** HTTP as hubs need it: redirects that keep secrets at home, time limits, proxies of the environment, plain messages. */
import type { Readable } from "node:stream";
import { type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { connectionProblem, waitAskedFor } from "../connection.ts";
import { ModelFailure } from "./failure.ts";

export interface Reply {
  readonly status: number;
  /** Value of a header, undefined where it was not sent; the name in lower case. */
  header(name: string): string | undefined;
  /** Must be read to its end or destroyed. */
  readonly body: Readable;
}

export interface Ask {
  readonly url: string;
  /** What is asked for, for messages: `owner/repo`, a file name. */
  readonly what: string;
  /** Sent to the origin of `url` only; a redirect to another origin goes without them. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** What to do when the server wants to know who asks. */
  readonly accessAdvice?: string;
  readonly range?: { readonly start: number; readonly end: number };
}

/** A transfer that failed. `isTransient`: the same request may succeed later. */
export class TransferError extends Error {
  override readonly name = "TransferError";
  readonly isTransient: boolean;
  readonly status: number | undefined;
  /** How long the server asked to wait, milliseconds. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    detail: {
      readonly isTransient: boolean;
      readonly status?: number;
      readonly retryAfterMs?: number;
      readonly cause?: unknown;
    },
  ) {
    super(message, { cause: detail.cause });
    this.isTransient = detail.isTransient;
    this.status = detail.status;
    this.retryAfterMs = detail.retryAfterMs;
  }
}

/** Milliseconds until a connection stands, and until a reply begins. */
const REPLY_TIMEOUT_MS = 30_000;
/** Milliseconds without any bytes after which a connection counts as cut. */
const SILENCE_TIMEOUT_MS = 30_000;
/** Hubs redirect once or twice: to the current name of a repository, then to their CDN. */
const MAX_REDIRECTS = 10;

export class Transport {
  // HTTP_PROXY, HTTPS_PROXY and NO_PROXY, which the global fetch of Node 20 does not know.
  readonly #dispatcher: Dispatcher = new EnvHttpProxyAgent({
    connect: { timeout: REPLY_TIMEOUT_MS },
    headersTimeout: REPLY_TIMEOUT_MS,
    bodyTimeout: SILENCE_TIMEOUT_MS,
  });

  /** A reply with status 200 or 206. Throws `TransferError`, or `signal.reason` when aborted. */
  async get(ask: Ask, signal: AbortSignal): Promise<Reply> {
    let url = new URL(ask.url);
    const home = url.origin;
    let hasLeft = false;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects += 1) {
      const reply = await this.#once(url, ask, hasLeft ? {} : (ask.secrets ?? {}), signal);
      if (reply.status === 200 || reply.status === 206) return reply;
      reply.body.destroy();
      const location = reply.header("location");
      if (!isRedirect(reply.status) || location === undefined) throw refusal(reply, url, ask);
      url = redirected(location, url, ask.what);
      // Once away the secrets stay away, even if another host sends us back.
      hasLeft ||= url.origin !== home;
    }
    throw new TransferError(`${new URL(ask.url).host} redirects ${ask.what} in circles; try later, or another hub`, {
      isTransient: false,
    });
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy();
  }

  async #once(url: URL, ask: Ask, secrets: Readonly<Record<string, string>>, signal: AbortSignal): Promise<Reply> {
    // As it is on the server: a packed body would neither have the listed size nor the ranges asked for.
    const headers: Record<string, string> = { "accept-encoding": "identity", "user-agent": "continuo", ...secrets };
    if (ask.range !== undefined) headers["range"] = `bytes=${ask.range.start}-${ask.range.end - 1}`;
    try {
      const reply = await request(url, { dispatcher: this.#dispatcher, headers, signal });
      reply.body.on("error", () => {}); // whoever reads the body gets the error too; nobody else needs it
      return {
        status: reply.statusCode,
        header: (name) => {
          const value = reply.headers[name];
          return Array.isArray(value) ? value[0] : value;
        },
        body: reply.body,
      };
    } catch (error) {
      throw connectionError(error, url.host, signal);
    }
  }
}

/** What went wrong with a connection, in words. Returns `signal.reason` when it was aborted. */
export function connectionError(error: unknown, host: string, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (error instanceof TransferError || error instanceof ModelFailure) return error;
  const known = connectionProblem(error);
  if (known === undefined) {
    // A certificate that is not trusted, a malformed reply: waiting changes nothing.
    const reason = error instanceof Error ? error.message : String(error);
    return new TransferError(`${host} cannot be talked to: ${reason}`, { isTransient: false, cause: error });
  }
  return new TransferError(`${host}: ${known}`, { isTransient: true, cause: error });
}

function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

function redirected(location: string, from: URL, what: string): URL {
  const url = URL.canParse(location, from.href) ? new URL(location, from.href) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new TransferError(`${from.host} redirects ${what} to something that is no web address`, {
      isTransient: false,
    });
  }
  if (from.protocol === "https:" && url.protocol === "http:") {
    throw new TransferError(`${from.host} redirects ${what} from https to unprotected http; that is not followed`, {
      isTransient: false,
    });
  }
  return url;
}

function refusal(reply: Reply, { host }: URL, { what, accessAdvice = "" }: Ask): TransferError {
  const { status } = reply;
  const advice = accessAdvice === "" ? "" : `; ${accessAdvice}`;
  switch (status) {
    case 401:
      return new TransferError(`${host} has no ${what}, or wants to know who asks (401)${advice}`, {
        isTransient: false,
        status,
      });
    case 403:
      return new TransferError(`${host} does not give ${what} to us (403)${advice}`, { isTransient: false, status });
    case 404:
      return new TransferError(`${host} has no ${what} (404); check how it is spelt`, { isTransient: false, status });
    case 416:
      return new TransferError(`${host} has fewer bytes of ${what} than were announced (416)`, {
        isTransient: false,
        status,
      });
    default: {
      const retryAfterMs = waitAskedFor(reply.header("retry-after"));
      return new TransferError(`${host} answers ${status}${status === 429 ? " (too many requests)" : ""} for ${what}`, {
        isTransient: status === 408 || status === 429 || status >= 500,
        status,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    }
  }
}
