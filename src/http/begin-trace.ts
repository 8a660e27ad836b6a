import type { FastifyRequest } from "fastify";
import { traceIdOf } from "../continuation/trace.ts";
import type { Tracing } from "../telemetry/tracing.ts";

/** The request gets its span, and its record the id of the trace. */
export function beginTrace(request: FastifyRequest, tracing: Tracing): void {
  request.span = tracing.request(request.headers, request.record);
  const traceId = request.span.context === undefined ? undefined : traceIdOf(request.span.context);
  if (traceId !== undefined) request.record.traceId = traceId;
}
