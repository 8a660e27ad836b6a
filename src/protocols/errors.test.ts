import { describe, expect, test } from "vitest";
import { type ErrorCode, type ErrorDetail, ServiceError } from "../errors.ts";
import { dashScopeFailure, openAiFailure } from "./errors.ts";
import type { Dialect } from "./protocol.ts";

const ID = "7a1d7b0f-0000-4000-8000-000000000000";
const compatible = (code: ErrorCode, message = "m", detail: ErrorDetail = {}, dialect: Dialect = "dashscope") =>
  openAiFailure(new ServiceError(code, message, detail), { dialect, requestId: ID, idPrefix: "chatcmpl-" });
const native = (code: ErrorCode, message = "m", detail: ErrorDetail = {}) =>
  dashScopeFailure(new ServiceError(code, message, detail), ID);

describe("whole bodies (docs/wire.md 6.2, 6.6)", () => {
  test("a gateway error has no id", () => {
    expect(compatible("invalid_api_key")).toEqual({
      status: 401,
      body: {
        error: {
          message: "Incorrect API key provided.",
          type: "invalid_request_error",
          param: null,
          code: "invalid_api_key",
        },
        request_id: ID,
      },
    });
  });

  test("a parameter error has an id, and DashScope's prefix", () => {
    expect(compatible("invalid_parameter", "Range of max_tokens should be [1, 8192]", { param: "max_tokens" })).toEqual(
      {
        status: 400,
        body: {
          error: {
            message: "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
            type: "invalid_request_error",
            param: null,
            code: "invalid_parameter_error",
          },
          id: `chatcmpl-${ID}`,
          request_id: ID,
        },
      },
    );
  });

  test("the OpenAI dialect names the parameter and has no prefix", () => {
    expect(compatible("invalid_parameter", "Range of n should be [1, 8]", { param: "n" }, "openai").body.error).toEqual(
      {
        message: "Range of n should be [1, 8]",
        type: "invalid_request_error",
        param: "n",
        code: "invalid_parameter_error",
      },
    );
  });

  test("the native body is flat", () => {
    expect(native("invalid_parameter", "Range of max_tokens should be [1, 8192]")).toEqual({
      status: 400,
      body: {
        code: "InvalidParameter",
        message: "<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
        request_id: ID,
      },
    });
    expect(native("model_denied").body).toEqual({
      code: "Model.AccessDenied",
      message: "Model access denied.",
      request_id: ID,
    });
  });
});

const INTERNAL = "An internal error has occured, please try again later or contact service support.";
const REQUEST_LIMIT = "You have exceeded your current request limit.";
const QUOTA_EXCEEDED = "You exceeded your current quota, please check your plan and billing details.";
const ALLOCATED_QUOTA_EXCEEDED = "Allocated quota exceeded, please increase your quota limit.";
const OVERLOADED =
  "Too many requests. Your requests are being throttled due to system capacity limits. Please try again later.";

describe("the OpenAI shape (docs/wire.md 6.3, 6.4)", () => {
  test.each<[ErrorCode, number, string, string, string, boolean]>([
    [
      "missing_api_key",
      401,
      "invalid_api_key",
      "invalid_request_error",
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
      false,
    ],
    ["workspace_denied", 403, "Workspace.AccessDenied", "Workspace.AccessDenied", "Workspace access denied.", true],
    ["model_denied", 403, "Model.AccessDenied", "Model.AccessDenied", "Model access denied.", true],
    ["not_found", 404, "not_found", "invalid_request_error", "m", false],
    ["method_not_allowed", 405, "method_not_allowed", "invalid_request_error", "m", false],
    ["origin_denied", 403, "access_denied", "access_denied", "m", false],
    ["unsupported_media_type", 415, "unsupported_media_type", "invalid_request_error", "m", false],
    [
      "model_not_found",
      404,
      "model_not_found",
      "invalid_request_error",
      "The model `nope` does not exist or you do not have access to it.",
      false,
    ],
    ["model_not_supported", 404, "model_not_supported", "invalid_request_error", "m", false],
    [
      "missing_model",
      400,
      "invalid_parameter_error",
      "invalid_request_error",
      "you must provide a model parameter.",
      true,
    ],
    [
      "invalid_body",
      400,
      "invalid_parameter_error",
      "invalid_request_error",
      "Required body invalid, please check the request body format.",
      true,
    ],
    ["missing_parameter", 400, "invalid_parameter_error", "invalid_request_error", "m", true],
    ["invalid_value", 400, "invalid_value", "invalid_request_error", "m", true],
    ["thinking_not_supported", 400, "InvalidParameter.NotSupportEnableThinking", "invalid_request_error", "m", true],
    [
      "unsupported_input",
      400,
      "invalid_parameter_error",
      "invalid_request_error",
      "<400> InternalError.Algo.InvalidParameter: m",
      true,
    ],
    ["internal", 500, "internal_error", "internal_error", INTERNAL, true],
    ["request_timeout", 500, "request_timeout", "request_timeout", "Request timed out, please try again later.", true],
    ["request_rate_exceeded", 429, "limit_requests", "limit_requests", REQUEST_LIMIT, false],
    ["concurrency_exceeded", 429, "limit_requests", "limit_requests", REQUEST_LIMIT, false],
    ["token_rate_exceeded", 429, "insufficient_quota", "insufficient_quota", QUOTA_EXCEEDED, false],
    ["budget_exceeded", 429, "insufficient_quota", "insufficient_quota", QUOTA_EXCEEDED, false],
    ["queue_full", 503, "ModelServingError", "ModelServingError", OVERLOADED, true],
    [
      "model_unavailable",
      503,
      "ModelUnavailable",
      "ModelUnavailable",
      "Model is unavailable, please try again later. m",
      true,
    ],
  ])("%s", (code, status, wireCode, type, message, hasId) => {
    const { status: sent, body } = compatible(code, "m", { model: "nope" });

    expect([sent, body.error.code, body.error.type, body.error.message, "id" in body]).toEqual([
      status,
      wireCode,
      type,
      message,
      hasId,
    ]);
  });
});

describe("the native shape (docs/wire.md 6.3, 6.4)", () => {
  test.each<[ErrorCode, number, string, string]>([
    ["missing_api_key", 401, "InvalidApiKey", "No API-key provided."],
    ["invalid_api_key", 401, "InvalidApiKey", "Invalid API-key provided."],
    ["workspace_denied", 403, "Workspace.AccessDenied", "Workspace access denied."],
    ["not_found", 404, "NotFound", "m"],
    ["method_not_allowed", 405, "InvalidParameter", "m"],
    ["origin_denied", 403, "AccessDenied", "m"],
    ["unsupported_media_type", 415, "InvalidParameter", "m"],
    ["model_not_found", 404, "ModelNotFound", "Model can not be found."],
    ["model_not_supported", 400, "InvalidParameter", "url error, check url!"],
    ["missing_model", 400, "BadRequest.EmptyModel", 'Required parameter "model" missing from request.'],
    ["invalid_body", 400, "InvalidParameter", "Required body invalid, please check the request body format."],
    ["thinking_not_supported", 400, "InvalidParameter.NotSupportEnableThinking", "m"],
    ["async_not_supported", 403, "AccessDenied", "Current user api does not support asynchronous calls."],
    ["internal", 500, "InternalError", INTERNAL],
    ["request_timeout", 500, "RequestTimeOut", "Request timed out, please try again later."],
    ["request_rate_exceeded", 429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."],
    ["concurrency_exceeded", 429, "Throttling", "Requests throttling triggered."],
    ["token_rate_exceeded", 429, "Throttling.AllocationQuota", ALLOCATED_QUOTA_EXCEEDED],
    ["budget_exceeded", 429, "Throttling.AllocationQuota", ALLOCATED_QUOTA_EXCEEDED],
    ["queue_full", 503, "ModelServingError", OVERLOADED],
    ["model_unavailable", 503, "ModelUnavailable", "Model is unavailable, please try again later. m"],
  ])("%s", (code, status, wireCode, message) => {
    expect(native(code)).toEqual({ status, body: { code: wireCode, message, request_id: ID } });
  });

  test("a missing and a malformed input have codes of their own", () => {
    expect(native("missing_parameter", "m", { param: "input" }).body).toMatchObject({
      code: "BadRequest.EmptyInput",
      message: "Required input parameter missing from request.",
    });
    expect(native("invalid_body", "m", { param: "input" }).body).toMatchObject({
      code: "BadRequest.IllegalInput",
      message: "The input parameter requires json format.",
    });
  });
});

test("an unavailable model says the documented sentence once", () => {
  const documented = "Model is unavailable, please try again later.";

  expect(compatible("model_unavailable", "").body.error.message).toBe(documented);
  expect(compatible("model_unavailable", `${documented} Load one.`).body.error.message).toBe(`${documented} Load one.`);
});

test("a bug's own message never leaves the server", () => {
  expect(JSON.stringify([compatible("internal", "secret"), native("internal", "secret")])).not.toContain("secret");
});
