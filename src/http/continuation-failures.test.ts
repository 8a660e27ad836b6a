import { describe, expect, test } from "vitest";
import { COMPLETIONS, NATIVE as GENERATION } from "../../test/support/calls.ts";
import { deltaPart, ScriptedEngine, startPart } from "../../test/support/scripted-engine.ts";
import { eventData, hello, post, serve, streamed } from "../../test/support/scripted-service.ts";
import { ServiceError } from "../errors.ts";

test.each([
  ["queue_full", 503, "2", "ModelServingError"],
  ["invalid_parameter", 400, null, "invalid_parameter_error"],
] as const)("%s before the first part is plain JSON on a stream too", async (code, status, retryAfter, wireCode) => {
  const engine = new ScriptedEngine(() => [new ServiceError(code, "no", { retryAfterMs: 1500 })]);
  const { url } = await serve(engine);

  const response = await post(url + COMPLETIONS, streamed);

  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/json");
  if (retryAfter !== null) expect(response.headers.get("retry-after")).toBe(retryAfter);
  expect(await response.json()).toMatchObject({ error: { code: wireCode } });
});

test("a failure after the first event goes into the stream, without [DONE]", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("hel"), new Error("the weights fell over")]);
  const { url, entry } = await serve(engine);

  const response = await post(url + COMPLETIONS, streamed);
  const text = await response.text();

  expect(response.status).toBe(200);
  expect(eventData(text).at(-1)).toMatchObject({ error: { code: "internal_error" } });
  expect(text).not.toContain("[DONE]");
  expect(text).not.toContain("fell over");
  await entry(({ msg }) => msg === "unexpected failure");
  expect(await entry(({ msg }) => msg === "request")).toMatchObject({ outcome: "internal", status: 200 });
});

test("a native stream fails with an event:error that has code and message", async () => {
  const engine = new ScriptedEngine(() => [startPart(), deltaPart("hel"), new Error("lost")]);
  const { url } = await serve(engine);
  const body = { model: "m", input: { prompt: "x" }, parameters: { incremental_output: true } };

  const response = await post(url + GENERATION, body, { headers: { "x-dashscope-sse": "enable" } });
  const text = await response.text();

  expect(text).toMatch(/event:error\n:HTTP_STATUS\/500\ndata:\{"code":"InternalError","message":"[^"]+","request_id":/);
});

test("a bug before the first byte is a 500 that tells only its request id", async () => {
  const { url, entry } = await serve(new ScriptedEngine(() => [new TypeError("secret detail")]));

  const response = await post(url + COMPLETIONS, hello);
  const text = await response.text();

  expect(response.status).toBe(500);
  expect(text).not.toContain("secret detail");
  const logged = await entry(({ msg }) => msg === "unexpected failure");
  expect(logged["requestId"]).toBe(response.headers.get("x-request-id"));
});

describe("what the engine says about a grammar", () => {
  const refusing = () =>
    new ScriptedEngine(() => [new ServiceError("invalid_parameter", "the prefix does not fit", { param: "grammar" })]);
  const messages = [{ role: "user", content: "json" }];

  test.each([false, true])("names the field that the caller used (stream: %s)", async (stream) => {
    const { url } = await serve(refusing());
    const refused = async (fields: object): Promise<unknown> =>
      (await post(`${url}/v1/chat/completions`, { model: "m", messages, stream, ...fields })).json();

    expect(await refused({ response_format: { type: "json_object" } })).toMatchObject({
      error: { param: "response_format", message: "response_format: the prefix does not fit" },
    });
    expect(await refused({ grammar: "root ::= x" })).toMatchObject({
      error: { param: "grammar", message: "the prefix does not fit" },
    });
  });
});
