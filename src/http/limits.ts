/** Bounds of the HTTP service. A time of 0 sets no bound. */
export interface HttpLimits {
  /** Of a request body, as received and again after decompression. */
  readonly bodyBytes: number;
  /** A plain (not streamed) answer is cut here and returned as far as it got (docs/wire.md 6.8). */
  readonly plainTimeoutMs: number;
  /** Streams: from the arrival of the request to its first token; of later prompts, since the answer before. */
  readonly firstTokenTimeoutMs: number;
  /** Streams: waiting for the engine between two tokens. */
  readonly idleTimeoutMs: number;
  /** For the headers of a request to arrive. */
  readonly headersTimeoutMs: number;
  /** For a whole request, body included, to arrive. */
  readonly requestTimeoutMs: number;
  /** An idle connection is kept open this long. */
  readonly keepAliveTimeoutMs: number;
  /** A client that takes no bytes for this long is given up. */
  readonly stallTimeoutMs: number;
  /** A stream that has sent nothing for this long sends a comment line, so that nobody on the way closes it. */
  readonly heartbeatMs: number;
  /** Prompts of one request under way at the same time, at least 1. */
  readonly promptConcurrency: number;
}

export const DEFAULT_LIMITS: HttpLimits = {
  // A context of a million tokens is about 5 MB of text; JSON escapes may double it.
  bodyBytes: 16 << 20,
  plainTimeoutMs: 300_000,
  firstTokenTimeoutMs: 300_000,
  idleTimeoutMs: 120_000,
  headersTimeoutMs: 30_000,
  requestTimeoutMs: 120_000,
  // Longer than the 60 s that proxies usually keep their side open, so that they never reuse a connection we just closed.
  keepAliveTimeoutMs: 75_000,
  stallTimeoutMs: 120_000,
  heartbeatMs: 15_000,
  promptConcurrency: 8,
};
