import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { COMPLETIONS } from "../../test/support/calls.ts";
import { ScriptedEngine, startPart } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import type { GapRule } from "../continuation/gap/gap-end.ts";
import type { StreamPart } from "../continuation/output.ts";

const GAP = { model: "m", prompt: "a(", suffix: ")\n" };

const endedBy = (rule?: GapRule) =>
  new ScriptedEngine((): StreamPart[] => [
    startPart(),
    { type: "delta", choice: 0, text: "b" },
    { type: "finish", choice: 0, reason: "stop", ...(rule !== undefined && { rule }) },
    { type: "usage", usage: { promptTokens: 3, completionTokens: 2, source: "engine" } },
  ]);

/** The trailers of an answer; `fetch` does not show them. */
function trailersOf(url: string, body: unknown): Promise<NodeJS.Dict<string>> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(url, { method: "POST", headers: { "content-type": "application/json" } }, (response) => {
      response.resume().once("end", () => resolve(response.trailers));
    });
    call.once("error", reject).end(JSON.stringify(body));
  });
}

test("a plain answer names the rule that ended its gap in a header", async () => {
  const { url } = await serve(endedBy("suffix"));

  const response = await post(url + COMPLETIONS, GAP);

  expect(response.headers.get("x-continuo-gap-end")).toBe("suffix");
});

test("several prompts have one entry each", async () => {
  const { url } = await serve(endedBy("fence"));

  const response = await post(url + COMPLETIONS, { model: "m", prompt: ["a(", "b("], suffix: ")\n" });

  expect(response.headers.get("x-continuo-gap-end")).toBe("fence, fence");
});

test("a stream names it in a trailer, which its headers announce", async () => {
  const { url } = await serve(endedBy("marker"));

  const response = await post(url + COMPLETIONS, { ...GAP, stream: true });
  await response.text();

  expect(response.headers.get("trailer")).toBe("x-continuo-gap-end");
  expect(await trailersOf(url + COMPLETIONS, { ...GAP, stream: true })).toEqual({ "x-continuo-gap-end": "marker" });
});

test("a proxy that speaks HTTP/1.0 gets the stream without a trailer", async () => {
  const { port } = await serve(endedBy("suffix"));
  const body = JSON.stringify({ ...GAP, stream: true });
  const socket = connect(port, "127.0.0.1");

  socket.write(
    `POST ${COMPLETIONS} HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const answer = Buffer.concat(await socket.toArray()).toString();

  expect(answer).toMatch(/^HTTP\/1\.1 200 /);
  expect(answer.toLowerCase()).not.toContain("trailer");
  expect(answer.endsWith("data: [DONE]\n\n")).toBe(true);
});

test("an answer that its weights ended has neither", async () => {
  const { url } = await serve(endedBy());

  const plain = await post(url + COMPLETIONS, GAP);

  expect(plain.headers.has("x-continuo-gap-end")).toBe(false);
  expect(await trailersOf(url + COMPLETIONS, { ...GAP, stream: true })).toEqual({});
});

test("the caller's choice reaches the engine, and what he leaves open stays open", async () => {
  const engine = endedBy();
  const { url } = await serve(engine);

  await post(url + COMPLETIONS, { ...GAP, gap_end: false });
  await post(url + COMPLETIONS, GAP);

  expect(engine.calls.map(({ request }) => request.gapEnd)).toEqual([false, undefined]);
});
