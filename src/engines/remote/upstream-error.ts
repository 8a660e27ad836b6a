import { connectionProblem, waitAskedFor } from "../../connection.ts";
import { excerpt, ServiceError } from "../../errors.ts";
import { isObject, parsed } from "./json.ts";

/** An answer that is none. */
export interface Refusal {
  readonly status: number;
  readonly retryAfter?: string;
  /** JSON where it was JSON, else its text. */
  readonly body: unknown;
}

/** The cause of what our caller is told. */
class RefusedRequest extends Error {
  override readonly name = "RefusedRequest";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** The engine is there and does not have such a route. */
export function isMissingRoute(error: unknown): boolean {
  return (
    error instanceof Error && error.cause instanceof RefusedRequest && [404, 405, 501].includes(error.cause.status)
  );
}

/** What an engine said of itself while it failed. */
interface Said {
  readonly message: string;
  readonly param?: string;
  readonly code: string;
}

/** The engine cannot be reached, or the connection broke. */
export function unreachable(engine: string, error: unknown): ServiceError {
  const reason = connectionProblem(error) ?? (error instanceof Error ? error.message : String(error));
  return new ServiceError("model_unavailable", `the engine "${engine}" cannot be reached: ${reason}`, { cause: error });
}

/** It answered, and not with what was asked for. @param what the words after "with". */
export function malformed(engine: string, what: string, cause?: unknown): ServiceError {
  return new ServiceError("internal", `the engine "${engine}" answered with ${what}`, { cause });
}

/**
 * What our caller is told of a refusal: what the caller asked for in vain is the caller's; a key, a name or an address that
 * is wrong in the configuration is the operator's, and the caller can only wait.
 */
export function refused(engine: string, { status, retryAfter, body }: Refusal): ServiceError {
  const said = saidIn(body);
  const retryAfterMs = waitAskedFor(retryAfter);
  const detail = {
    cause: new RefusedRequest(`the engine "${engine}" answered ${status}: ${said.message}`, status),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  const unavailable = (why: string): ServiceError =>
    new ServiceError("model_unavailable", `the engine "${engine}" ${why}`, detail);
  switch (status) {
    case 400:
    case 413:
    case 422:
      return ofTheCaller(engine, said, detail);
    case 401:
    case 403:
      return unavailable(`does not accept the key of this server (${status}); its operator has to set another`);
    case 402:
      return unavailable(`refuses to go on without payment (402): ${said.message}`);
    case 404:
    case 405:
      return unavailable(`does not have this model or this route (${status}): ${said.message}`);
    case 408:
    case 504:
      return new ServiceError("request_timeout", `the engine "${engine}" took too long (${status})`, detail);
    case 429:
      return new ServiceError("request_rate_exceeded", `the engine "${engine}" is asked too often`, detail);
    case 502:
    case 503:
    case 529:
      return unavailable(`cannot answer now (${status}): ${said.message}`);
    default:
      return new ServiceError("internal", `the engine "${engine}" failed (${status})`, detail);
  }
}

/** An error that came with status 200, as a body or within a stream. */
export function refusedLate(engine: string, body: unknown): ServiceError {
  const { code } = saidIn(body);
  const status = /^[45]\d\d$/.test(code) ? Number(code) : 500;
  return refused(engine, { status, body });
}

function ofTheCaller(
  engine: string,
  { message, param, code }: Said,
  detail: { readonly cause: unknown },
): ServiceError {
  // The engine's own certificates, quotas and the like come with 400 on some services; nothing tells them apart.
  const about = param === undefined ? detail : { ...detail, param };
  const why = /context.{0,3}(size|length|window)|too (many|long)/i.test(`${code} ${message}`)
    ? "the input is too long"
    : "";
  const text = [why, message].filter((each) => each !== "").join(": ");
  return new ServiceError("invalid_parameter", `the engine "${engine}" refuses the request: ${text}`, about);
}

/** OpenAI's form, llama-server's, FastAPI's (`detail`), DashScope's event in place of a body, or a text. */
function saidIn(body: unknown): Said {
  const event = typeof body === "string" ? /^data: ?(\{.*\})$/mu.exec(body)?.[1] : undefined;
  if (event !== undefined) return saidIn(parsed(event)?.value ?? event.slice(1));
  if (typeof body === "string") return { message: excerpt(body.trim() || "no reason given"), code: "" };
  const error = isObject(body) && body["error"] !== undefined ? body["error"] : body;
  if (!isObject(error)) return { message: excerpt(String(error ?? "no reason given")), code: "" };
  const { message, detail, param, code, type } = error;
  const text = typeof message === "string" ? message : JSON.stringify(detail ?? error);
  return {
    message: excerpt(text),
    ...(typeof param === "string" && param !== "" && { param }),
    code: [code, type].filter((each) => typeof each === "number" || typeof each === "string").join(" "),
  };
}
