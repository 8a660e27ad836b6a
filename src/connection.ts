/** What kept two programs from talking, in words. */

/** Why a connection failed, if it is the kind of failure that passes; undefined for all others. */
export function connectionProblem(error: unknown): string | undefined {
  return PROBLEMS[codeOf(error)];
}

const PROBLEMS: Readonly<Record<string, string>> = {
  ENOTFOUND: "there is no such host, or no network",
  EAI_AGAIN: "the name of the host cannot be looked up; is there a network?",
  ECONNREFUSED: "nobody answers there",
  EHOSTUNREACH: "the host cannot be reached",
  ENETUNREACH: "the network cannot be reached",
  ECONNRESET: "the connection was cut",
  ECONNABORTED: "the connection was cut",
  EPIPE: "the connection was cut",
  UND_ERR_SOCKET: "the connection was cut",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "the connection was cut",
  ETIMEDOUT: "no answer in time",
  UND_ERR_CONNECT_TIMEOUT: "no connection in time",
  UND_ERR_HEADERS_TIMEOUT: "no answer in time",
  UND_ERR_BODY_TIMEOUT: "the connection fell silent",
};

/** Several addresses of one host are tried; each failure is in the aggregate, all of one kind as a rule. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "";
  if ("code" in error && typeof error.code === "string") return error.code;
  return error instanceof AggregateError ? codeOf(error.errors[0]) : "";
}

/** `Retry-After` is a number of seconds or a date (RFC 9110, 10.2.3). Milliseconds from now. */
export function waitAskedFor(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value.trim())) return Number(value) * 1000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
