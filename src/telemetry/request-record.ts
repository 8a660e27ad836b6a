import {
  type DeltaPart,
  type FinishReason,
  isShown,
  type StartPart,
  type StreamPart,
  tokenCount,
} from "../continuation/output.ts";

/** What is told about one request, in its log line and in the metrics. Never a prompt, a completion or a key. */
export interface RequestRecord {
  readonly requestId: string;
  readonly method: string;
  /** The route's pattern, or the start of an unknown path. */
  readonly path: string;
  readonly startedAtMs: number;
  protocol?: string;
  /** Id of the workspace it runs in, and what names the key; absent where no key was needed. */
  workspace?: string;
  key?: string;
  dialect?: string;
  /** As the caller spelt it. */
  model?: string;
  /** The model exists here, so that its name may become a metric label. */
  isKnownModel: boolean;
  answeredBy?: string;
  /** The name that answered in place of the one that was called. */
  fallback?: string;
  /** Of the caller's trace, or of the one that began with the request. */
  traceId?: string;
  stream?: boolean;
  /** One for each choice, as they ended. */
  finishReasons?: string[];
  promptTokens?: number;
  cachedPromptTokens?: number;
  completionTokens?: number;
  /** Of the answer, so much came from memory. */
  remembered?: "whole" | "beginning";
  /** From arrival to the first text that is shown. */
  ttftMs?: number;
  /** 499: the client left. */
  status: number;
  /** `ok`, `partial`, `superseded`, or the error code. */
  outcome: string;
  /** Host name or origin of a request that was refused for it. */
  refused?: string;
}

const ANSWERED: ReadonlySet<string> = new Set(["ok", "partial", "superseded"]);

/** It ended with an answer, whole or not. */
export function isAnswered({ outcome }: RequestRecord): boolean {
  return ANSWERED.has(outcome);
}

/** Where the times and counts of one stream go. */
export interface StreamObserver {
  firstText(ttftMs: number): void;
  /** Time spent waiting for the engine, per token behind the first, `tokens` times; thoughts take time too. */
  tokenGap(gapMs: number, tokens: number): void;
}

/** The same parts, noted in `record` as they pass. The time that the reader takes between two parts is not the engine's. */
export async function* observed(
  parts: AsyncIterable<StreamPart>,
  record: RequestRecord,
  observer: StreamObserver,
  now: () => number,
): AsyncGenerator<StreamPart> {
  let askedAtMs = now();
  let hasTokens = false;
  delete record.completionTokens; // those of a name that did not answer in the end
  for await (const part of parts) {
    if (part.type === "delta") {
      const nowMs = now();
      noteDelta(part, record, observer, nowMs);
      if (hasTokens) noteGap(part, nowMs - askedAtMs, observer);
      hasTokens = true;
    } else if (part.type === "start") noteStart(part, record);
    else if (part.type === "finish") noteFinish(part.reason, record);
    else if (part.type === "usage") noteUsage(part.usage, record);
    yield part;
    askedAtMs = now();
  }
}

function noteDelta(part: DeltaPart, record: RequestRecord, observer: StreamObserver, nowMs: number): void {
  record.completionTokens = (record.completionTokens ?? 0) + tokenCount(part);
  if (record.ttftMs !== undefined || !isShown(part)) return;
  record.ttftMs = nowMs - record.startedAtMs;
  observer.firstText(record.ttftMs);
}

function noteGap(part: DeltaPart, waitedMs: number, observer: StreamObserver): void {
  const tokens = tokenCount(part);
  if (tokens > 0) observer.tokenGap(waitedMs / tokens, tokens);
}

function noteStart({ model, promptTokens, remembered }: StartPart, record: RequestRecord): void {
  record.answeredBy = model;
  if (remembered !== undefined) record.remembered = remembered;
  if (promptTokens !== undefined) record.promptTokens = promptTokens;
}

function noteFinish(reason: FinishReason | null, record: RequestRecord): void {
  record.finishReasons = [...(record.finishReasons ?? []), reason ?? "time_limit"];
}

function noteUsage(usage: (StreamPart & { readonly type: "usage" })["usage"], record: RequestRecord): void {
  record.promptTokens = usage.promptTokens;
  record.completionTokens = usage.completionTokens;
  if (usage.cachedPromptTokens !== undefined) record.cachedPromptTokens = usage.cachedPromptTokens;
}
