import type { IncomingHttpHeaders } from "node:http";
import type { StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { type TraceContext, traceContextOf } from "../continuation/trace.ts";
import type { Log } from "./log.ts";
import type { RequestRecord } from "./request-record.ts";

/** What traces are told of a request. */
export interface RequestSpan {
  /** What is told to engines elsewhere. Absent: the request is in no trace. */
  readonly context?: TraceContext;
  /** The response is over. */
  end(record: RequestRecord): void;
}

/** An engine at work on a request. */
export interface EngineSpan {
  readonly context?: TraceContext;
  part(part: StreamPart): void;
  /** @param outcome `ok`, `aborted` or an error code. */
  end(outcome: string, error?: unknown): void;
}

/** Who an engine is, for traces and metrics. */
export interface EngineIdentity {
  /** The name of its model in the configuration. */
  readonly name: string;
  /** `llama.cpp`, or the kind of an engine elsewhere. */
  readonly kind: string;
  /** Without secrets. Absent: it is on this machine. */
  readonly url?: string;
}

export interface Tracing {
  request(headers: IncomingHttpHeaders, record: RequestRecord): RequestSpan;
  /** Undefined: nobody wants to know. */
  engine(identity: EngineIdentity, request: ContinuationRequest): EngineSpan | undefined;
  /** Sends what has not been sent, as far as it can be within a few seconds. */
  close(): Promise<void>;
}

/** Callers' traces go through to engines elsewhere, and nothing is added to them. */
export const PASSED_ON: Tracing = {
  request: (headers) => {
    const context = traceContextOf(headers);
    return { ...(context !== undefined && { context }), end: () => {} };
  },
  engine: () => undefined,
  close: async () => {},
};

/** With OpenTelemetry where the environment names a collector; its library is loaded only then. */
export async function openTracing(env: NodeJS.ProcessEnv, log: Log): Promise<Tracing> {
  const endpoint = env["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] ?? env["OTEL_EXPORTER_OTLP_ENDPOINT"] ?? "";
  const isOff = env["OTEL_SDK_DISABLED"]?.toLowerCase() === "true" || env["OTEL_TRACES_EXPORTER"] === "none";
  if (endpoint === "" || isOff) return PASSED_ON;
  const protocol = env["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] ?? env["OTEL_EXPORTER_OTLP_PROTOCOL"] ?? "http/json";
  if (protocol !== "http/json") {
    log.warn({ protocol }, "traces are sent as OTLP over HTTP in JSON, whatever protocol the environment names");
  }
  const { openTelemetry } = await import("./open-telemetry.ts");
  return openTelemetry(log);
}
