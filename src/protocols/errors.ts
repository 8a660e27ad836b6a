import type { ErrorCode, ServiceError } from "../errors.ts";
import type { DashScopeErrorBody } from "../wire/dashscope/error.ts";
import type { OpenAiErrorBody } from "../wire/openai/error.ts";
import type { Dialect } from "./protocol.ts";

/** How one error code is spelt on both wires (docs/wire.md 6.2–6.5). */
interface Spelling {
  readonly native: { readonly code: string; readonly message?: Message; readonly status?: number };
  readonly openAi: {
    readonly code: string;
    readonly message?: Message;
    /** Default `invalid_request_error`. */
    readonly type?: string;
    /** The body has an `id`: raised behind the gateway. */
    readonly hasId: boolean;
  };
  /** DashScope marks what its algorithm layer refuses. */
  readonly isAlgorithm?: true;
}

/** Absent: the error's own message is for the caller as it stands. */
type Message = string | ((error: ServiceError) => string);

export interface Failure<Body> {
  readonly status: number;
  readonly body: Body;
}

export interface OpenAiFailureContext {
  readonly dialect: Dialect;
  /** Lower-case UUID. */
  readonly requestId: string;
  /** Before the UUID in the body's `id`; absent: no error here has one. */
  readonly idPrefix?: "cmpl-" | "chatcmpl-";
}

/** Error of the OpenAI-shaped paths. Unknown paths and wrong methods use it too. */
export function openAiFailure(error: ServiceError, context: OpenAiFailureContext): Failure<OpenAiErrorBody> {
  const { code, type, hasId } = SPELLINGS[error.code].openAi;
  const { idPrefix, requestId } = context;
  return {
    status: error.status,
    body: {
      error: {
        message: openAiMessage(error, context.dialect),
        type: type ?? "invalid_request_error",
        param: context.dialect === "openai" ? (error.detail.param ?? null) : null,
        code,
      },
      ...(hasId && idPrefix !== undefined ? { id: idPrefix + requestId } : {}),
      request_id: requestId,
    },
  };
}

/** Error of DashScope's own paths. Unknown paths and wrong methods use it too. */
export function dashScopeFailure(error: ServiceError, requestId: string): Failure<DashScopeErrorBody> {
  const { code, message, status } = nativeSpelling(error);
  const text = print(message, error);
  const prefixed = SPELLINGS[error.code].isAlgorithm ? ALGORITHM_PREFIX + text : text;
  return { status: status ?? error.status, body: { code, message: prefixed, request_id: requestId } };
}

const ALGORITHM_PREFIX = "<400> InternalError.Algo.InvalidParameter: ";

function openAiMessage(error: ServiceError, dialect: Dialect): string {
  const { openAi, isAlgorithm } = SPELLINGS[error.code];
  const text = print(openAi.message, error);
  return isAlgorithm && dialect === "dashscope" ? ALGORITHM_PREFIX + text : text;
}

function print(message: Message | undefined, error: ServiceError): string {
  if (message === undefined) return error.message;
  return typeof message === "string" ? message : message(error);
}

/** `input` has codes of its own on this wire (docs/wire.md 2.3.1, 6.3). */
function nativeSpelling(error: ServiceError): Spelling["native"] {
  if (error.detail.param === "input" && error.code === "missing_parameter") {
    return { code: "BadRequest.EmptyInput", message: "Required input parameter missing from request." };
  }
  if (error.detail.param === "input" && error.code === "invalid_body") {
    return { code: "BadRequest.IllegalInput", message: "The input parameter requires json format." };
  }
  return SPELLINGS[error.code].native;
}

const WRONG_BODY = "Required body invalid, please check the request body format.";
const INTERNAL = "An internal error has occured, please try again later or contact service support.";
const OVERLOADED =
  "Too many requests. Your requests are being throttled due to system capacity limits. Please try again later.";
const TIMED_OUT = "Request timed out, please try again later.";
const EXPIRED_KEY = "invalid access token or token expired";
const NO_KEY =
  "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).";

/** The documented sentence, then what the operator can do about it. */
function unavailable(error: ServiceError): string {
  const documented = "Model is unavailable, please try again later.";
  return error.message === "" || error.message.startsWith(documented)
    ? error.message || documented
    : `${documented} ${error.message}`;
}

function unknownModel(error: ServiceError): string {
  return `The model \`${error.detail.model ?? ""}\` does not exist or you do not have access to it.`;
}

function bothWires(code: string, message: Message): Pick<Spelling, "native" | "openAi"> {
  return { native: { code, message }, openAi: { code, type: code, message, hasId: true } };
}

/** Refused by the gateway, so without an `id`. */
function limited(nativeCode: string, nativeMessage: string, code: string, message: string) {
  return {
    native: { code: nativeCode, message: nativeMessage },
    openAi: { code, type: code, message, hasId: false },
  } as const;
}

const REQUEST_LIMIT = "You have exceeded your current request limit.";
const QUOTA_EXCEEDED = limited(
  "Throttling.AllocationQuota",
  "Allocated quota exceeded, please increase your quota limit.",
  "insufficient_quota",
  "You exceeded your current quota, please check your plan and billing details.",
);

const ACCESS_DENIED = {
  native: { code: "AccessDenied" },
  openAi: { code: "access_denied", type: "access_denied", hasId: false },
} as const;

const BAD_PARAMETER = {
  native: { code: "InvalidParameter" },
  openAi: { code: "invalid_parameter_error", hasId: true },
} as const;

const SPELLINGS: Readonly<Record<ErrorCode, Spelling>> = {
  missing_api_key: {
    native: { code: "InvalidApiKey", message: "No API-key provided." },
    openAi: { code: "invalid_api_key", message: NO_KEY, hasId: false },
  },
  invalid_api_key: {
    native: { code: "InvalidApiKey", message: "Invalid API-key provided." },
    openAi: { code: "invalid_api_key", message: "Incorrect API key provided.", hasId: false },
  },
  expired_api_key: {
    native: { code: "InvalidApiKey", message: EXPIRED_KEY },
    openAi: { code: "invalid_api_key", message: EXPIRED_KEY, hasId: false },
  },
  workspace_denied: bothWires("Workspace.AccessDenied", "Workspace access denied."),
  model_denied: bothWires("Model.AccessDenied", "Model access denied."),
  host_denied: ACCESS_DENIED,
  admin_denied: ACCESS_DENIED,
  origin_denied: ACCESS_DENIED,
  conflict: { native: { code: "InvalidParameter" }, openAi: { code: "conflict", type: "conflict", hasId: false } },
  not_found: { native: { code: "NotFound" }, openAi: { code: "not_found", hasId: false } },
  method_not_allowed: {
    native: { code: "InvalidParameter" },
    openAi: { code: "method_not_allowed", hasId: false },
  },
  invalid_body: {
    native: { code: "InvalidParameter", message: WRONG_BODY },
    openAi: { code: "invalid_parameter_error", message: WRONG_BODY, hasId: true },
  },
  body_too_large: BAD_PARAMETER,
  unsupported_media_type: {
    native: { code: "InvalidParameter" },
    openAi: { code: "unsupported_media_type", hasId: false },
  },
  missing_model: {
    native: { code: "BadRequest.EmptyModel", message: 'Required parameter "model" missing from request.' },
    openAi: { code: "invalid_parameter_error", message: "you must provide a model parameter.", hasId: true },
  },
  missing_parameter: BAD_PARAMETER,
  model_not_found: {
    native: { code: "ModelNotFound", message: "Model can not be found." },
    openAi: { code: "model_not_found", message: unknownModel, hasId: false },
  },
  model_not_supported: {
    native: { code: "InvalidParameter", message: "url error, check url!", status: 400 },
    openAi: { code: "model_not_supported", hasId: false },
  },
  invalid_parameter: { ...BAD_PARAMETER, isAlgorithm: true },
  invalid_value: { native: { code: "InvalidParameter" }, openAi: { code: "invalid_value", hasId: true } },
  thinking_not_supported: {
    native: { code: "InvalidParameter.NotSupportEnableThinking" },
    openAi: { code: "InvalidParameter.NotSupportEnableThinking", hasId: true },
  },
  unsupported_operation: {
    native: { code: "UnsupportedOperation" },
    openAi: { code: "UnsupportedOperation", hasId: true },
  },
  async_not_supported: {
    native: { code: "AccessDenied", message: "Current user api does not support asynchronous calls." },
    openAi: { code: "access_denied", type: "access_denied", hasId: true },
  },
  unsupported_input: { ...BAD_PARAMETER, isAlgorithm: true },
  request_rate_exceeded: limited(
    "Throttling.RateQuota",
    "Requests rate limit exceeded, please try again later.",
    "limit_requests",
    REQUEST_LIMIT,
  ),
  concurrency_exceeded: limited("Throttling", "Requests throttling triggered.", "limit_requests", REQUEST_LIMIT),
  token_rate_exceeded: QUOTA_EXCEEDED,
  budget_exceeded: QUOTA_EXCEEDED,
  model_unavailable: bothWires("ModelUnavailable", unavailable),
  queue_full: bothWires("ModelServingError", OVERLOADED),
  store_unavailable: bothWires("ModelServingError", (error) => error.message),
  shutting_down: {
    native: { code: "ModelServingError" },
    openAi: { code: "ModelServingError", type: "ModelServingError", hasId: true },
  },
  request_timeout: {
    native: { code: "RequestTimeOut", message: TIMED_OUT },
    openAi: { code: "request_timeout", type: "request_timeout", message: TIMED_OUT, hasId: true },
  },
  internal: {
    native: { code: "InternalError", message: INTERNAL },
    openAi: { code: "internal_error", type: "internal_error", message: INTERNAL, hasId: true },
  },
};
