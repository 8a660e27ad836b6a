/** The only file that knows OpenTelemetry; loaded where traces are sent. */
import {
  type Attributes,
  type Context,
  DiagLogLevel,
  defaultTextMapGetter,
  defaultTextMapSetter,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  type Tracer,
  trace,
} from "@opentelemetry/api";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import { OTLPTraceExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { defaultResource, detectResources, envDetector, resourceFromAttributes } from "@opentelemetry/resources";
import { BasicTracerProvider, BatchSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { isShown, type StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { type TraceContext, traceContextOf } from "../continuation/trace.ts";
import { VERSION } from "../version.ts";
import type { Log } from "./log.ts";
import { isAnswered, type RequestRecord } from "./request-record.ts";
import type { EngineIdentity, EngineSpan, RequestSpan, Tracing } from "./tracing.ts";

/** Milliseconds that a stopping server waits for its collector. */
const CLOSE_MS = 3_000;
/** Milliseconds between two complaints about a collector. */
const COMPLAIN_EVERY_MS = 60_000;

/** By the name of a protocol; words of the GenAI conventions. */
const OPERATIONS: Readonly<Record<string, string>> = {
  completions: "text_completion",
  chat: "chat",
  generation: "generate_content",
};

const propagator = new W3CTraceContextPropagator();

/** Where, how often and under which name traces are sent, the environment says (`OTEL_…`). */
export function openTelemetry(log: Log): Tracing {
  complainTo(log);
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(resourceFromAttributes({ "service.name": "continuo", "service.version": VERSION }))
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [new BatchSpanProcessor(new OTLPTraceExporter())],
  });
  const tracer = provider.getTracer("continuo", VERSION);
  return {
    request: (headers, record) => requestSpan(tracer, contextIn(traceContextOf(headers)), record),
    engine: (identity, request) => engineSpan(tracer, identity, request),
    close: async () => {
      let timer: NodeJS.Timeout | undefined;
      const limit = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, CLOSE_MS);
      });
      const sent = provider.shutdown().catch((error: unknown) => log.warn({ err: error }, "traces were not sent"));
      await Promise.race([sent, limit]);
      clearTimeout(timer);
    },
  };
}

/** A collector that is away would be complained of with every batch. */
function complainTo(log: Log): void {
  let nextMs = 0;
  const complain = (message: string): void => {
    if (performance.now() < nextMs) return;
    nextMs = performance.now() + COMPLAIN_EVERY_MS;
    log.warn({ reason: message }, "OpenTelemetry");
  };
  const silent = (): void => {};
  const logger = { error: complain, warn: complain, info: silent, debug: silent, verbose: silent };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

function requestSpan(tracer: Tracer, parent: Context, record: RequestRecord): RequestSpan {
  const span = tracer.startSpan(
    `${record.method} ${record.path}`,
    {
      kind: SpanKind.SERVER,
      attributes: {
        "http.request.method": record.method,
        "http.route": record.path,
        "continuo.request.id": record.requestId,
        ...operationOf(record.protocol ?? ""),
      },
    },
    parent,
  );
  return {
    ...contextOf(parent, span),
    end: (ended) => {
      span.setAttributes(attributesOf(ended));
      if (ended.status >= 500 || !isAnswered(ended)) {
        span.setAttribute("error.type", ended.outcome);
        if (ended.status >= 500) span.setStatus({ code: SpanStatusCode.ERROR, message: ended.outcome });
      }
      span.end();
    },
  };
}

function operationOf(protocol: string): Attributes {
  const operation = OPERATIONS[protocol];
  return operation === undefined ? {} : { "gen_ai.operation.name": operation };
}

function attributesOf(record: RequestRecord): Attributes {
  return present({
    "http.response.status_code": record.status,
    "gen_ai.request.model": record.model,
    "gen_ai.response.model": record.answeredBy,
    "gen_ai.response.finish_reasons": record.finishReasons === undefined ? undefined : [...record.finishReasons],
    "gen_ai.usage.input_tokens": record.promptTokens,
    "gen_ai.usage.output_tokens": record.completionTokens,
    "continuo.request.stream": record.stream,
    "continuo.outcome": record.outcome,
    "continuo.fallback": record.fallback,
    "continuo.time_to_first_text_ms": record.ttftMs,
  });
}

function engineSpan(tracer: Tracer, { name, kind, url }: EngineIdentity, request: ContinuationRequest): EngineSpan {
  const parent = contextIn(request.trace);
  const operation = request.input.kind === "chat" ? "chat" : "text_completion";
  const span = tracer.startSpan(
    `${operation} ${name}`,
    {
      kind: url === undefined ? SpanKind.INTERNAL : SpanKind.CLIENT,
      attributes: present({
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": kind,
        "gen_ai.request.model": name,
        "continuo.attempt": request.attempt ?? "first",
        ...addressOf(url),
      }),
    },
    parent,
  );
  const finishReasons: string[] = [];
  let hasText = false;
  return {
    ...contextOf(parent, span),
    part: (part) => {
      if (!hasText && isShown(part)) {
        hasText = true;
        span.addEvent("continuo.first_text");
      }
      notePart(span, part, finishReasons);
    },
    end: (outcome, error) => {
      if (finishReasons.length > 0) span.setAttribute("gen_ai.response.finish_reasons", finishReasons);
      if (outcome !== "ok") span.setAttribute("error.type", outcome);
      if (outcome !== "ok" && outcome !== "aborted") {
        span.setStatus({ code: SpanStatusCode.ERROR, message: error instanceof Error ? error.message : outcome });
      }
      span.end();
    },
  };
}

function notePart(span: Span, part: StreamPart, finishReasons: string[]): void {
  if (part.type === "start") span.setAttribute("gen_ai.response.model", part.model);
  else if (part.type === "finish") finishReasons.push(part.raw ?? part.reason ?? "unknown");
  else if (part.type === "usage") {
    const { promptTokens, completionTokens } = part.usage;
    span.setAttributes({ "gen_ai.usage.input_tokens": promptTokens, "gen_ai.usage.output_tokens": completionTokens });
  }
}

function addressOf(url: string | undefined): Attributes {
  if (url === undefined) return {};
  const { hostname, port, protocol } = new URL(url);
  return {
    "server.address": hostname,
    "server.port": port === "" ? (protocol === "https:" ? 443 : 80) : Number(port),
  };
}

function contextIn(context: TraceContext | undefined): Context {
  return context === undefined ? ROOT_CONTEXT : propagator.extract(ROOT_CONTEXT, context, defaultTextMapGetter);
}

/** Of what is done within a span. */
function contextOf(parent: Context, span: Span): { readonly context?: TraceContext } {
  const headers: Record<string, string> = {};
  propagator.inject(trace.setSpan(parent, span), headers, defaultTextMapSetter);
  const context = traceContextOf(headers);
  return context === undefined ? {} : { context };
}

function present(attributes: Attributes): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined));
}
