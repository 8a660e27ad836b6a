import type { FastifyReply, FastifyRequest } from "fastify";
import type { Reservation } from "../accounts/meter.ts";
import type { Protocol } from "../protocols/protocol.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import type { RunningRequest } from "../typing/running-requests.ts";
import type { Call } from "./call.ts";
import type { MeteredStream } from "./metering.ts";

/** Milliseconds that an engine has to say what it computed for a call that was cut, well within the time to stop. */
export const LAST_WORD_MS = 1_000;

/** One call on its way from a socket to an engine and back. */
export interface Exchange {
  readonly protocol: Protocol;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
  readonly record: RequestRecord;
  readonly call: Call;
  /** Absent: no other request takes its place, and it takes none. */
  running?: RunningRequest | undefined;
  /** From admission on. */
  admitted?: { readonly reservation: Reservation; readonly stream: MeteredStream };
  /** The limits of the caller let it pass, so that what fails later is not for them. */
  wasAdmitted?: boolean;
  /** Records of names that did not answer in the end, and had generated something. Absent: none. */
  abandoned?: number;
}

/** Nothing of it is charged. */
export async function takeBack(exchange: Exchange): Promise<void> {
  const { admitted } = exchange;
  delete exchange.admitted;
  await admitted?.reservation.cancel();
}

/** The name does not answer after all. What it has generated without showing it is charged; without any, nothing is. */
export async function abandon(exchange: Exchange, outcome: string): Promise<void> {
  const { admitted } = exchange;
  await admitted?.stream.ended(LAST_WORD_MS);
  if ((admitted?.stream.usage?.completionTokens ?? 0) === 0) return takeBack(exchange);
  delete exchange.admitted;
  exchange.abandoned = (exchange.abandoned ?? 0) + 1;
  await admitted?.reservation.settle(outcome);
}

/** Of the record of the next name that is asked. The first one has the id of the request. */
export function recordId({ request, abandoned = 0 }: Exchange): string {
  return abandoned === 0 ? request.id : `${request.id}.${abandoned}`;
}
