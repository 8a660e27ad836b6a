/**
 * The one error type that leaves a module on purpose, and the registry of what can go wrong.
 *
 * `status` is the HTTP status. How a code is spelt on a wire belongs to the protocols (docs/wire.md 6.2–6.5).
 */
export const ERRORS = {
  // who is asking
  missing_api_key: { status: 401 },
  invalid_api_key: { status: 401 },
  expired_api_key: { status: 401 },
  workspace_denied: { status: 403 },
  model_denied: { status: 403 },
  host_denied: { status: 403 },
  /** A web page of a site that is not allowed. */
  origin_denied: { status: 403 },
  /** Only an administrator may. */
  admin_denied: { status: 403 },
  // what is asked for
  not_found: { status: 404 },
  method_not_allowed: { status: 405 },
  invalid_body: { status: 400 },
  body_too_large: { status: 413 },
  /** From a browser, where anything but JSON labelled as JSON may come from any page. */
  unsupported_media_type: { status: 415 },
  missing_model: { status: 400 },
  missing_parameter: { status: 400 },
  model_not_found: { status: 404 },
  model_not_supported: { status: 404 },
  invalid_parameter: { status: 400 },
  /** docs/wire.md 6.5: the `seed` messages of the OpenAI-shaped routes have a code of their own. */
  invalid_value: { status: 400 },
  thinking_not_supported: { status: 400 },
  /** The service documents it, this server does not offer it. */
  unsupported_operation: { status: 400 },
  async_not_supported: { status: 403 },
  /** The engine or the weights cannot do it; the message names what can. */
  unsupported_input: { status: 400 },
  /** What is there already stands against it. */
  conflict: { status: 409 },
  // how much is asked for (docs/wire.md 6.3, 429)
  request_rate_exceeded: { status: 429 },
  concurrency_exceeded: { status: 429 },
  token_rate_exceeded: { status: 429 },
  budget_exceeded: { status: 429 },
  // what keeps us from answering
  model_unavailable: { status: 503 },
  queue_full: { status: 503 },
  /** The database of this server is busy or cannot be reached. */
  store_unavailable: { status: 503 },
  shutting_down: { status: 503 },
  request_timeout: { status: 500 },
  internal: { status: 500 },
} as const satisfies Record<string, { readonly status: number }>;

export type ErrorCode = keyof typeof ERRORS;

export interface ErrorDetail {
  /** The request field at fault, as the caller spelt it. */
  readonly param?: string;
  /** The model name as the caller spelt it; some wire messages repeat it. */
  readonly model?: string;
  readonly retryAfterMs?: number;
  /** Host name or origin that is not allowed, for the log. */
  readonly refused?: string;
  readonly cause?: unknown;
}

/** `message` is for people: what was expected, what was found, what to do. Bugs are ordinary `Error`s, never this. */
export class ServiceError extends Error {
  override readonly name: string = "ServiceError";
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;

  constructor(code: ErrorCode, message: string, detail: ErrorDetail = {}) {
    super(message, { cause: detail.cause });
    this.code = code;
    this.detail = detail;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

export function modelNotFound(name: string): ServiceError {
  const model = excerpt(name);
  const message = `The model \`${model}\` does not exist or you do not have access to it.`;
  return new ServiceError("model_not_found", message, { model });
}

/** UTF-16 units of a caller's text that a message repeats. */
const MAX_EXCERPT = 100;

/** The beginning of what a caller sent, for a message: neither an answer nor a log line grows with it. */
export function excerpt(text: string): string {
  if (text.length <= MAX_EXCERPT) return text;
  return `${text.slice(0, MAX_EXCERPT).replace(/[\uD800-\uDBFF]$/, "")}…`;
}
