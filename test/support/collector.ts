/** A collector of traces: OTLP over HTTP, in JSON. */
import type { Json } from "./calls.ts";
import { json, type PeerServer, peerServer } from "./peer-server.ts";

export interface CollectedSpan {
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly kind: number;
  /** 2: an error. */
  readonly status: number | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly events: readonly string[];
}

export interface Collector {
  readonly url: string;
  readonly peer: PeerServer;
  /** What has come so far, in the order in which the spans ended. */
  spans(): readonly CollectedSpan[];
  /** Of who sent them. */
  resource(): Readonly<Record<string, unknown>>;
}

export async function collector(): Promise<Collector> {
  const peer = await peerServer({ "POST /v1/traces": json({}) });
  const batches = (): Json[] => peer.calls.flatMap(({ body }) => body.resourceSpans);
  return {
    url: peer.url,
    peer,
    spans: () => batches().flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope: Json) => scope.spans.map(spanOf))),
    resource: () => valuesOf(batches()[0]?.resource.attributes ?? []),
  };
}

function spanOf({ name, traceId, spanId, parentSpanId, kind, status, attributes, events }: Json): CollectedSpan {
  return {
    ...{ name, traceId, spanId, parentSpanId, kind },
    status: status?.code,
    attributes: valuesOf(attributes),
    events: (events ?? []).map((event: Json) => event.name),
  };
}

function valuesOf(attributes: Json): Readonly<Record<string, unknown>> {
  return Object.fromEntries(attributes.map(({ key, value }: Json) => [key, plainValue(value)]));
}

function plainValue(value: Json): unknown {
  if (value.arrayValue !== undefined) return value.arrayValue.values.map(plainValue);
  return value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue;
}
