import type { Usage } from "../continuation/output.ts";
import type { ServiceError } from "../errors.ts";
import { DONE_EVENT, dataEvent } from "../wire/sse.ts";
import { type OpenAiFailureContext, openAiFailure } from "./errors.ts";

/** How OpenAI-shaped streams end: with `[DONE]`, or with an error (docs/wire.md 2.1.3, 2.2.4, 6.7). */

/** @param usage absent: not known, or not asked for. @param usageChunk the chunk without choices that carries it. */
export function closingEvents(usage: Usage | undefined, usageChunk: (usage: Usage) => object): string {
  return (usage === undefined ? "" : dataEvent(usageChunk(usage))) + DONE_EVENT;
}

/** Within a stream every error has the stream's `id`, wherever it was raised. */
export function failureEvent(error: ServiceError, context: OpenAiFailureContext): string {
  return dataEvent({ ...openAiFailure(error, context).body, id: context.idPrefix + context.requestId });
}
