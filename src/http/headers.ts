import type { OutgoingHttpHeaders } from "node:http";
import type { StartPart } from "../continuation/output.ts";
import type { ServiceError } from "../errors.ts";
import type { Decoded } from "../protocols/protocol.ts";

/** Headers of ours that browsers may show to a page of another origin. */
export const EXPOSED_HEADERS = [
  "x-request-id",
  "x-continuo-model",
  "x-continuo-ignored",
  "x-continuo-truncated",
  "x-continuo-gap-end",
  "x-continuo-fallback",
  "x-continuo-guarantee",
  "x-continuo-memory",
  "x-continuo-superseded",
  "x-dashscope-partialresponse",
  "retry-after",
] as const;

/** Bytes of one header value; Node and most proxies stop at 8 to 16 KiB for all headers together. */
const MAX_HEADER_BYTES = 2048;

/** What an answer says about itself besides its body (docs/wire.md 1.2a). */
export function answerHeaders(decoded: Decoded, start: StartPart): OutgoingHttpHeaders {
  const ignored = [...decoded.ignored, ...start.ignored.map((setting) => decoded.wireName(setting))];
  return {
    "x-continuo-model": headerValue(start.model),
    ...(start.guarantee !== undefined && { "x-continuo-guarantee": start.guarantee }),
    ...(start.remembered !== undefined && { "x-continuo-memory": start.remembered === "whole" ? "hit" : "part" }),
    ...(ignored.length > 0 ? ignoredHeader(ignored) : {}),
    ...(start.truncatedTokens > 0 ? { "x-continuo-truncated": String(start.truncatedTokens) } : {}),
  };
}

/** Names what had no effect, at least one thing. */
export function ignoredHeader(fields: readonly string[]): OutgoingHttpHeaders {
  return { "x-continuo-ignored": headerList(fields) };
}

export const STREAM_HEADERS: OutgoingHttpHeaders = {
  "content-type": "text/event-stream;charset=UTF-8",
  "cache-control": "no-cache",
  "x-accel-buffering": "no",
};

/** Headers of an error answer. */
export function errorHeaders(error: ServiceError): OutgoingHttpHeaders {
  const { retryAfterMs } = error.detail;
  const canRetry = error.code === "queue_full" || error.code === "shutting_down" || retryAfterMs !== undefined;
  return {
    "content-type": "application/json",
    ...(canRetry ? { "retry-after": String(Math.max(1, Math.ceil((retryAfterMs ?? 1_000) / 1000))) } : {}),
    ...(error.status === 401 ? { "www-authenticate": "Bearer" } : {}),
  };
}

/** Any text as a header value: printable ASCII stays, everything else is percent-encoded UTF-8. */
export function headerValue(text: string): string {
  return shortened(encoded(text, /[^ -~]|%/gu));
}

/** Names joined by commas, each once. A comma within a name is percent-encoded. What does not fit is not even looked at. */
function headerList(names: readonly string[]): string {
  let list = "";
  for (const name of new Set(names.slice(0, MAX_HEADER_BYTES))) {
    const start = name.slice(0, MAX_HEADER_BYTES);
    list += `${list === "" ? "" : ","}${encoded(start, /[^!-~]|[%,]/gu)}`;
    if (list.length > MAX_HEADER_BYTES) break;
  }
  return shortened(list);
}

function encoded(text: string, unsafe: RegExp): string {
  return text
    .replace(/\p{Surrogate}/gu, "\uFFFD")
    .replace(unsafe, (character) => encodeURIComponent(character))
    .trim();
}

function shortened(value: string): string {
  return value.length <= MAX_HEADER_BYTES ? value : `${value.slice(0, MAX_HEADER_BYTES - 3)}...`;
}
