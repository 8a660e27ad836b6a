import { type ErrorCode, ServiceError } from "../errors.ts";

/** Why another replica may do better. */
const ELSEWHERE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  ...(["model_unavailable", "queue_full", "shutting_down", "request_timeout", "internal"] as const),
  ...(["request_rate_exceeded", "concurrency_exceeded", "unsupported_input"] as const),
]);

/** Of these, what says nothing against the replica. */
const HARMLESS: ReadonlySet<ErrorCode> = new Set<ErrorCode>(["queue_full", "unsupported_input"]);

export function mayGoElsewhere(error: unknown): boolean {
  return error instanceof ServiceError && ELSEWHERE.has(error.code);
}

export function isAgainstReplica(error: unknown): boolean {
  return mayGoElsewhere(error) && error instanceof ServiceError && !HARMLESS.has(error.code);
}

/** What the answer's header promised still holds behind a resume. */
export function weakerReplica(name: string): ServiceError {
  const message = `the answer cannot go on with ${name}, which would be asked by instruction, and was not to be`;
  return new ServiceError("unsupported_input", message);
}
