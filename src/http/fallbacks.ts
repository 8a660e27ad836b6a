import { type ErrorCode, ServiceError } from "../errors.ts";
import { abandon, type Exchange } from "./exchange.ts";
import { headerValue } from "./headers.ts";

export const FALLBACK_HEADER = "x-continuo-fallback";

/** Nobody is there, or nobody has time. */
const UNAVAILABLE: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["model_unavailable"]);
/** The same, when an engine says it; said of the caller's limits it is for the caller. */
const OF_ENGINES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["queue_full", "request_timeout", "internal", "request_rate_exceeded", "concurrency_exceeded"] as const),
]);

/**
 * Has other names answer, one after the other, when the one that was called cannot. Only before the first text, and before
 * the headers have left, which say it. When none can, what was wrong with the first is told. Only what was generated, a
 * thought that nobody saw, is charged.
 *
 * @param others in the operator's order; the caller may call them.
 * @param ask undefined: the name that was called. Told how many can be asked after it.
 */
export async function withFallbacks(
  exchange: Exchange,
  others: readonly string[],
  ask: (name: string | undefined, othersLeft: number) => Promise<void>,
): Promise<void> {
  try {
    return await ask(undefined, others.length);
  } catch (error) {
    if (others.length === 0 || !isUnavailable(error, exchange)) throw error;
    await abandon(exchange, error.code);
    if (!(await answeredBy(exchange, others, ask))) throw error;
  }
}

async function answeredBy(
  exchange: Exchange,
  others: readonly string[],
  ask: (name: string, othersLeft: number) => Promise<void>,
): Promise<boolean> {
  const { reply, record } = exchange;
  for (const [index, name] of others.entries()) {
    reply.header(FALLBACK_HEADER, headerValue(name));
    record.fallback = name;
    try {
      await ask(name, others.length - index - 1);
      return true;
    } catch (error) {
      // That this name cannot do it, for whatever reason, is not what the caller has to know.
      if (!isUntold(exchange) || !(error instanceof ServiceError)) throw error;
      await abandon(exchange, error.code);
    }
  }
  reply.removeHeader(FALLBACK_HEADER);
  delete record.fallback;
  return false;
}

function isUnavailable(error: unknown, exchange: Exchange): error is ServiceError {
  if (!(error instanceof ServiceError) || !isUntold(exchange)) return false;
  return UNAVAILABLE.has(error.code) || (exchange.wasAdmitted === true && OF_ENGINES.has(error.code));
}

/** The caller has got nothing yet, and is there. */
function isUntold({ call, record, reply }: Exchange): boolean {
  return !call.signal.aborted && record.ttftMs === undefined && !reply.raw.headersSent;
}
