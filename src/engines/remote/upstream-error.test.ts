import { describe, expect, test } from "vitest";
import { refused, refusedLate } from "./upstream-error.ts";

describe("what a caller is told of an engine's refusal", () => {
  test.each([
    [400, "invalid_parameter", 400],
    [422, "invalid_parameter", 400],
    [401, "model_unavailable", 503],
    [403, "model_unavailable", 503],
    [404, "model_unavailable", 503],
    [429, "request_rate_exceeded", 429],
    [500, "internal", 500],
    [502, "model_unavailable", 503],
    [503, "model_unavailable", 503],
    [504, "request_timeout", 500],
  ])("%i is %s", (status, code, ours) => {
    expect(refused("peer", { status, body: "" })).toMatchObject({ code, status: ours });
  });

  test("its own words and the field, where the caller can do something about it", () => {
    const error = { message: "top_p must be in (0, 1]", type: "BadRequestError", param: "top_p", code: 400 };

    const said = refused("peer", { status: 400, body: { error } });

    expect(said.message).toBe('the engine "peer" refuses the request: top_p must be in (0, 1]');
    expect(said.detail.param).toBe("top_p");
  });

  test.each([
    ["llama-server's", { error: { code: 400, message: "the request exceeds the available context size" } }],
    ["FastAPI's", { detail: [{ loc: ["body"], msg: "too long" }] }],
    ["a text", "Input is too long"],
  ])("a prompt that is too long, in %s form", (_form, body) => {
    expect(refused("peer", { status: 400, body }).message).toContain("the input is too long");
  });

  test("a key that is not accepted is the operator's affair, and the engine's words about it stay here", () => {
    const said = refused("peer", { status: 401, body: { error: { message: "Incorrect API key sk-secret" } } });

    expect(said.message).not.toContain("sk-secret");
    expect(said.message).toContain("its operator has to set another");
  });

  test.each([
    ["7", 7_000],
    ["soon", undefined],
  ])("Retry-After %s is kept where it says a time", (retryAfter, ms) => {
    for (const status of [429, 503]) {
      expect(refused("peer", { status, retryAfter, body: "" }).detail.retryAfterMs).toBe(ms);
    }
  });

  test("an error with status 200 has the status that its body names, else 500", () => {
    expect(refusedLate("peer", { error: { message: "m", code: 429 } }).code).toBe("request_rate_exceeded");
    expect(refusedLate("peer", { error: { message: "m", type: "server_error" } }).code).toBe("internal");
    expect(refusedLate("peer", { error: "boom" }).code).toBe("internal");
  });

  test("a long message is cut", () => {
    expect(refused("peer", { status: 400, body: "x".repeat(10_000) }).message.length).toBeLessThan(300);
  });
});
