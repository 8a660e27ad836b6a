/** Where a request stands in a trace, in the words of W3C Trace Context; the keys are the names of its headers. */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

/** Version 00, or a later one with more behind it; ids of zeros are none. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-((?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:$|(?<!^00.*)-)/;

/** Undefined where the headers are none that may be passed on. */
export function traceContextOf(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): TraceContext | undefined {
  const { traceparent, tracestate } = headers;
  if (typeof traceparent !== "string" || !TRACEPARENT.test(traceparent)) return undefined;
  const state = Array.isArray(tracestate) ? tracestate.join(",") : tracestate;
  return { traceparent, ...(state !== undefined && state !== "" && { tracestate: state }) };
}

export function traceIdOf({ traceparent }: TraceContext): string | undefined {
  return TRACEPARENT.exec(traceparent)?.[1];
}
