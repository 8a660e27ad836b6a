import type { z } from "zod";
import type { ModelCard } from "../continuation/card.ts";
import type { Result, StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import type { ServiceError } from "../errors.ts";

/** DashScope: the contract to the letter. OpenAI: the same handlers with that API's own bounds (docs/wire.md 1.2a). */
export type Dialect = "dashscope" | "openai";

/** What the input of a request asks of the weights; decides who answers when several models are there. */
export type Wanted = "text" | "infill" | "chat";

/** The server side of one wire format: wire <-> domain, no I/O. One instance per dialect. */
export interface Protocol {
  readonly name: "completions" | "chat" | "generation";
  readonly dialect: Dialect;
  /** For the OpenAPI document; `decode` is the one that checks, with the messages and the order of docs/wire.md. */
  readonly body: z.ZodType;
  /** Throws `model_not_supported` when the catalogue does not list the name for this route (docs/wire.md 6.1, step 7). */
  admit(card: ModelCard): void;
  /** A cheap look at the body, before it is validated. */
  wanted(body: Readonly<Record<string, unknown>>): Wanted;
  /** Validates everything and rewrites it into the domain. Throws `ServiceError`. */
  decode(body: Readonly<Record<string, unknown>>, call: Call): Decoded;
  /** HTTP status and body of an error raised before the first byte of an answer. */
  failure(error: ServiceError, requestId: string): { readonly status: number; readonly body: unknown };
}

/** What a protocol needs to know about the call besides its body. */
export interface Call {
  readonly card: ModelCard;
  /** Names that can fill in the middle here, for messages. */
  readonly infillModels: readonly string[];
  /** Lower-case names. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Lower-case UUID. */
  readonly requestId: string;
  readonly createdSeconds: number;
}

export interface Decoded {
  /** One per prompt; choice index on the wire = prompt index × choices + choice. All have the same `choices`. */
  readonly requests: readonly ContinuationRequest[];
  /** Choices to keep per prompt, the likeliest by mean log probability; absent: all (OpenAI's `best_of`). */
  readonly keepBest?: number;
  readonly stream: boolean;
  /** Request fields that have no effect, as the caller spelt them, nested ones with dots. */
  readonly ignored: readonly string[];
  /** Wire spellings of domain settings (`topK` -> `top_k`), for settings an engine ignores. */
  wireName(setting: string): string;
  readonly encoder: Encoder;
}

/** One per response: holds its id, its creation time, and on cumulative streams the text so far. */
export interface Encoder {
  /** Whole server-sent events, ready to be written; empty when this part shows nothing. */
  part(part: StreamPart): string;
  /** After the last part. */
  end(): string;
  /** An error after the first byte; nothing follows it. */
  failure(error: ServiceError): string;
  /** The body of a plain answer. */
  whole(result: Result): unknown;
}
