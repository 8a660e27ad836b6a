import type { FastifyReply, FastifyRequest } from "fastify";
import type { Reservation } from "../accounts/meter.ts";
import type { Protocol } from "../protocols/protocol.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import type { RunningRequest } from "../typing/running-requests.ts";
import type { Call } from "./call.ts";
import type { MeteredStream } from "./metering.ts";

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
}

/** Nothing of it is charged. */
export async function takeBack(exchange: Exchange): Promise<void> {
  const { admitted } = exchange;
  delete exchange.admitted;
  await admitted?.reservation.cancel();
}
