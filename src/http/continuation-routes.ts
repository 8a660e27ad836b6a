import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Meter } from "../accounts/meter.ts";
import { orAborted } from "../continuation/abort.ts";
import { keepBest } from "../continuation/best-of.ts";
import { Fold, type StartPart, type StreamPart } from "../continuation/output.ts";
import type { Directory } from "../directory/directory.ts";
import { excerpt, ServiceError } from "../errors.ts";
import type { Decoded, Protocol } from "../protocols/protocol.ts";
import type { Log } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { observed, type RequestRecord } from "../telemetry/request-record.ts";
import type { Typing } from "../typing/typing.ts";
import { existingModel, requestedModel, singleHeaders } from "./asked.ts";
import { readJsonObject } from "./body.ts";
import { Call, Cut, type CutBy, shuttingDown, untilAborted } from "./call.ts";
import { type Exchange, LAST_WORD_MS, recordId, takeBack } from "./exchange.ts";
import { sendFailure, toServiceError } from "./failure.ts";
import { withFallbacks } from "./fallbacks.ts";
import { gapEndHeader, gapEndTrailer } from "./gap-end-header.ts";
import { answerHeaders, STREAM_HEADERS } from "./headers.ts";
import type { HttpLimits } from "./limits.ts";
import { MeteredStream, tokensAskedFor } from "./metering.ts";
import type { OpenCalls } from "./open-calls.ts";
import { Share } from "./share.ts";
import { EventWriter, sendStream } from "./stream.ts";
import { TokenLimits } from "./token-limits.ts";
import { answerTo, ignoredOf, reserved, supersededHeader, typistOf } from "./typing-call.ts";

export interface ContinuationParts {
  readonly directory: Directory;
  readonly limits: HttpLimits;
  readonly calls: OpenCalls;
  readonly meter: Meter;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly typing: Typing;
  /** Epoch milliseconds, with fractions, never going back. */
  readonly now: () => number;
}

/** Registers the one handler that serves every protocol. The key has been checked before it runs (docs/wire.md 6.1). */
export function continuationRoute(
  app: FastifyInstance,
  parts: ContinuationParts,
  path: string,
  protocol: Protocol,
  guard: (request: FastifyRequest) => Promise<void>,
): void {
  app.post(path, { onRequest: guard }, (request, reply) => {
    const call = new Call(reply.raw);
    const { record } = request;
    const exchange: Exchange = { protocol, request, reply, record, call };
    const ended = parts.calls.open(call);
    request.settled = settle(parts, exchange).finally(ended);
    return request.settled.then(() => reply);
  });
}

/** Answers, one way or another, waits until the answer has left, and accounts for it. Never rejects. */
async function settle(parts: ContinuationParts, exchange: Exchange): Promise<void> {
  const response = exchange.reply.raw;
  try {
    await answer(parts, exchange).catch((error: unknown) => answerFailure(parts, exchange, error));
  } catch (error) {
    logBug(parts, exchange, error);
    exchange.reply.hijack();
    response.destroy();
  }
  const { record, call } = exchange;
  if (exchange.running?.isCut === true && record.outcome === "ok") record.outcome = "superseded";
  call.close();
  await closed(response, parts.limits.stallTimeoutMs, () => call.cut("stalled_reader"));
  if (!call.isDelivered && record.status !== 499) noteLost(record, call.cutBy ?? "client_left");
  await exchange.admitted?.stream.ended(LAST_WORD_MS);
  await exchange.admitted?.reservation.settle(record.outcome);
  if (exchange.running !== undefined) parts.typing.running.end(exchange.running);
}

/** Waits until a response has left, or its client has, or has taken too long. */
async function closed(response: ServerResponse, limitMs: number, onStall: () => void): Promise<void> {
  if (response.closed) return;
  const giveUp = (): void => {
    onStall();
    response.destroy();
  };
  const timer = limitMs > 0 ? setTimeout(giveUp, limitMs) : undefined;
  await new Promise((resolve) => response.once("close", resolve));
  clearTimeout(timer);
}

function noteLost(record: RequestRecord, cutBy: CutBy): void {
  record.status = 499;
  record.outcome = cutBy;
}

/** Steps 4 to 13 of docs/wire.md 6.1. */
async function answer(parts: ContinuationParts, exchange: Exchange): Promise<void> {
  const { protocol, request, record, call } = exchange;
  // Plain until the body says otherwise.
  const lift = call.limit(parts.limits.plainTimeoutMs, "time_limit");
  const body = await orAborted(readJsonObject(request.raw, parts.limits.bodyBytes), call.signal);
  const model = requestedModel(body);
  record.model = excerpt(model);
  const listed = existingModel(parts.directory, model);
  record.isKnownModel = true;
  protocol.admit(listed);
  if (!request.caller.mayCall(model)) throw new ServiceError("model_denied", "Model access denied.", { model });
  if (parts.calls.isDraining) throw shuttingDown();
  const others = parts.directory.fallbacksOf(listed.answeredBy.id).filter((name) => request.caller.mayCall(name));
  await withFallbacks(exchange, others, (name, othersLeft) =>
    answerAs(parts, exchange, { body, model, name: name ?? model, othersLeft, lift }),
  );
}

/** A body, the name that it calls, and the name that is to answer. */
interface Asked {
  readonly body: Readonly<Record<string, unknown>>;
  readonly model: string;
  readonly name: string;
  /** How many can be asked if this one has no answer. */
  readonly othersLeft: number;
  /** Ends the time limit of plain answers. */
  readonly lift: () => void;
}

async function answerAs(
  parts: ContinuationParts,
  exchange: Exchange,
  { body, model, name, othersLeft, lift }: Asked,
): Promise<void> {
  const { protocol, request, record, call } = exchange;
  if (name !== model) protocol.admit(existingModel(parts.directory, name));
  const [{ card, engine }] = await orAborted(
    parts.directory.open(name, protocol.wanted(body), call.signal),
    call.signal,
  );
  const read = protocol.decode(body, {
    card: { ...card, name: model },
    infillModels: parts.directory.infillNames(),
    headers: singleHeaders(request),
    requestId: request.id,
    createdSeconds: Math.floor(parts.now() / 1000),
  });
  record.stream = read.stream;
  const { running } = parts.typing;
  const typist = typistOf(request, body, read.stream);
  exchange.running ??= running.candidate(typist, read.requests);
  const decoded = { ...read, ignored: ignoredOf(read, running, exchange) };
  const asked = tokensAskedFor(decoded.requests, card);
  const admission = {
    id: recordId(exchange),
    workspaceId: request.caller.workspaceId,
    ...(request.caller.keyId !== undefined && { keyId: request.caller.keyId }),
    model: name,
    protocol: protocol.name,
    startedAtMs: record.startedAtMs,
    ...asked,
  };
  const reservation = await reserved(parts.meter, admission, running, exchange);
  exchange.wasAdmitted = true;
  const { promptConcurrency: concurrency, plainTimeoutMs, firstTokenTimeoutMs } = parts.limits;
  const observer = parts.metrics.observer(record);
  const interactive = decoded.requests.length === 1 && decoded.requests[0]?.choices === 1;
  const { context: trace } = request.span ?? {};
  const inCall = { callId: request.id, interactive, ...(trace !== undefined && { trace }) };
  const requests = decoded.requests.map((each) => ({ ...each, ...inCall }));
  const answering = answerTo(parts.typing, exchange, { engine, card, typist, requests, concurrency });
  const limitMs = decoded.stream ? firstTokenTimeoutMs : plainTimeoutMs;
  const leftMs = limitMs === 0 ? 0 : Math.max(1, limitMs - (parts.now() - record.startedAtMs));
  const share = new Share(name, leftMs, othersLeft);
  const said = (signal: AbortSignal): AsyncIterable<StreamPart> =>
    share.until(observed(answering(signal), record, observer, parts.now));
  const signal = AbortSignal.any([call.signal, share.signal]);
  const stream = new MeteredStream(said, signal, reservation);
  exchange.admitted = { reservation, stream };
  const counted = untilAborted(stream.parts(), signal);
  try {
    if (!decoded.stream) {
      const choices = requests.reduce((sum, each) => sum + each.choices, 0);
      const fold = new Fold({ choices, promptTokens: asked.promptTokens });
      return await answerWhole(exchange, decoded, counted, stream, fold);
    }
    lift();
    return await answerStream(parts, exchange, decoded, counted);
  } catch (error) {
    if (isRefusal(error, call) && !stream.hasCost) await takeBack(exchange);
    throw inCallersWords(error, decoded);
  } finally {
    share.lift();
  }
}

/** The engine has not taken the request: too long a prompt, a full queue, no weights. */
function isRefusal(error: unknown, call: Call): boolean {
  return error instanceof ServiceError && error.status !== 500 && !call.signal.aborted;
}

/** Only the engine can read a grammar; the caller may have said it with another field. */
function inCallersWords(error: unknown, decoded: Decoded): unknown {
  const field = decoded.wireName("grammar");
  if (!(error instanceof ServiceError) || error.detail.param !== "grammar" || field === "grammar") return error;
  return new ServiceError(error.code, `${field}: ${error.message}`, { ...error.detail, param: field });
}

/** docs/wire.md 6.8: what was generated within the time limit is an answer; nothing generated is an error. */
async function answerWhole(
  exchange: Exchange,
  decoded: Decoded,
  parts: AsyncIterable<StreamPart>,
  stream: MeteredStream,
  fold: Fold,
): Promise<void> {
  const { record, reply } = exchange;
  try {
    for await (const part of parts) fold.push(part);
    record.outcome = "ok";
  } catch (error) {
    if (!(error instanceof Cut && error.by === "time_limit" && fold.hasText)) throw error;
    await stream.ended(LAST_WORD_MS);
    if (stream.usage !== undefined) fold.push({ type: "usage", usage: stream.usage });
    record.outcome = "partial";
    reply.header("x-dashscope-partialresponse", "true");
  }
  const choices = decoded.requests[0]?.choices ?? 1;
  const whole = fold.result();
  const result = decoded.keepBest === undefined ? whole : keepBest(whole, choices, decoded.keepBest);
  reply
    .status(200)
    .headers({
      ...answerHeaders(decoded, result.start),
      ...supersededHeader(exchange),
      ...gapEndHeader(result.choices.map(({ rule }) => rule)),
      "content-type": "application/json",
    })
    .send(Buffer.from(JSON.stringify(decoded.encoder.whole(result))));
}

async function answerStream(
  parts: ContinuationParts,
  exchange: Exchange,
  decoded: Decoded,
  stream: AsyncIterable<StreamPart>,
): Promise<void> {
  const { record, reply, call } = exchange;
  const { firstTokenTimeoutMs, idleTimeoutMs } = parts.limits;
  const spentMs = parts.now() - record.startedAtMs;
  const headersOf = (start: StartPart): OutgoingHttpHeaders => ({
    ...(reply.getHeaders() as OutgoingHttpHeaders),
    ...answerHeaders(decoded, start),
    ...STREAM_HEADERS,
    ...(decoded.requests.some(({ input }) => input.kind === "infill") ? gapEndTrailer(exchange.request.raw) : {}),
    ...(parts.calls.isDraining ? { connection: "close" } : {}),
  });
  const failure = await sendStream(
    stream,
    decoded.encoder,
    new EventWriter(reply.raw, call, parts.limits),
    headersOf,
    (error) => told(call, error),
    new TokenLimits(call, { spentMs, firstMs: firstTokenTimeoutMs, idleMs: idleTimeoutMs }),
  );
  reply.hijack();
  record.outcome = failure?.code ?? "ok";
  record.status = 200;
  if (failure !== undefined) logOurs(parts, exchange, failure);
}

/** Errors before the first byte are plain JSON, on streams too (docs/wire.md 6.7). */
function answerFailure(parts: ContinuationParts, exchange: Exchange, error: unknown): void {
  const { protocol, request, reply, record, call } = exchange;
  const failure = told(call, error);
  if (failure === undefined || reply.raw.headersSent) {
    noteLost(record, call.cutBy ?? "client_left");
    reply.hijack();
    reply.raw.destroy();
    return;
  }
  record.outcome = failure.code;
  logOurs(parts, exchange, failure);
  sendFailure(reply, protocol, failure, request.id);
}

/** The engine may notice an abort before we do; what counts is who cut the call. */
function told(call: Call, error: unknown): ServiceError | undefined {
  return toServiceError(call.signal.aborted ? call.signal.reason : error);
}

/** What callers are not told: what a bug was, and what is wrong with the store. */
function logOurs(parts: ContinuationParts, exchange: Exchange, failure: ServiceError): void {
  const { code, cause } = failure;
  if (code === "internal" || code === "store_unavailable") logBug(parts, exchange, cause ?? failure);
}

function logBug(parts: ContinuationParts, exchange: Exchange, error: unknown): void {
  const { requestId, traceId } = exchange.record;
  parts.log.error({ requestId, traceId, err: error }, "unexpected failure");
}
