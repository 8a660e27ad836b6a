import type { FastifyRequest } from "fastify";
import type { Admission, Meter, Reservation } from "../accounts/meter.ts";
import { orAborted } from "../continuation/abort.ts";
import type { ModelCard } from "../continuation/card.ts";
import type { Engine } from "../continuation/engine.ts";
import { continueAll } from "../continuation/merge.ts";
import type { StartPart, StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { ServiceError } from "../errors.ts";
import type { Decoded } from "../protocols/protocol.ts";
import type { RunningRequests, Typist } from "../typing/running-requests.ts";
import type { Typing } from "../typing/typing.ts";
import { untilSuperseded } from "../typing/until-superseded.ts";
import type { Caller } from "./auth.ts";
import type { Exchange } from "./exchange.ts";

const DOCUMENT_HEADER = "x-continuo-document";
const SUPERSEDED_HEADER = "x-continuo-superseded";

/** How often, and for how long, a newer request waits for what it takes the place of to leave the limits, milliseconds. */
const WAITS = 3;
const UNWIND_MS = 1_000;

/** @param body of a request. */
export function typistOf(
  request: FastifyRequest,
  { user }: Readonly<Record<string, unknown>>,
  isStream: boolean,
): Typist {
  const document = [request.headers[DOCUMENT_HEADER] ?? ""].flat().join(", ").trim();
  return {
    owner: ownerOf(request.caller),
    ...(document !== "" && { document }),
    ...(typeof user === "string" && user !== "" && { user }),
    isStream,
  };
}

/** One key; without keys, everybody on this machine. */
function ownerOf({ workspaceId, keyId, key }: Caller): string {
  return JSON.stringify([workspaceId, keyId ?? key ?? null]);
}

/**
 * Admits a request. One that takes the place of others needs no room beside them: where the limit of running requests is
 * reached, these are ended first.
 */
export async function reserved(
  meter: Meter,
  admission: Admission,
  running: RunningRequests,
  { call, running: request }: Pick<Exchange, "call" | "running">,
): Promise<Reservation> {
  for (let waits = 0; ; waits += 1) {
    try {
      return await meter.reserve(admission);
    } catch (error) {
      const older = isFull(error) && request !== undefined && waits < WAITS ? running.olderThan(request) : [];
      if (older.length === 0) throw error;
      for (const each of older) each.supersede();
      await orAborted(within(UNWIND_MS, Promise.all(older.map(({ over }) => over))), call.signal);
    }
  }
}

function isFull(error: unknown): boolean {
  return error instanceof ServiceError && error.code === "concurrency_exceeded";
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}

/** What a call asks of an engine. */
interface Asked {
  readonly engine: Pick<Engine, "name" | "accept" | "generate" | "stats">;
  readonly card: ModelCard;
  readonly typist: Typist;
  readonly requests: readonly ContinuationRequest[];
  /** Prompts under way at the same time. */
  readonly concurrency: number;
}

/** The parts of the answer to a call that was admitted: from here on it takes the place of older ones. */
export function answerTo(
  typing: Typing,
  { running }: Exchange,
  { engine, card, typist, requests, concurrency }: Asked,
): (signal: AbortSignal) => AsyncIterable<StreamPart> {
  const recalling = typing.engineFor(engine, typist, requests);
  const open = (signal: AbortSignal): AsyncIterable<StreamPart> =>
    continueAll(recalling, requests, concurrency, signal);
  if (running === undefined) return open;
  typing.running.begin(running);
  const unbegun: StartPart = { type: "start", model: card.answeredBy.id, truncatedTokens: 0, ignored: [] };
  return (signal) => untilSuperseded(open, running, unbegun, signal);
}

/** A plain answer that was ended for a newer request says so; of a stream the headers have left by then. */
export function supersededHeader({ running }: Exchange): Record<string, string> {
  return running?.isCut === true ? { [SUPERSEDED_HEADER]: "true" } : {};
}

/** Fields without effect, of which `user` is none where it names who types. */
export function ignoredOf(
  { ignored }: Decoded,
  running: RunningRequests,
  { running: request }: Exchange,
): Decoded["ignored"] {
  const honoursUser = request !== undefined && running.honoursUser(request);
  return honoursUser ? ignored.filter((field) => field !== "user") : ignored;
}
