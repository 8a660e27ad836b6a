/** The built program in front of an engine elsewhere. */
import { describe, expect, onTestFinished, test } from "vitest";
import { COMPLETIONS, get, type Json, post } from "../support/calls.ts";
import { completionChunk, events, json, LIST, peerServer, usageChunk } from "../support/peer-server.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const ANSWERS = {
  "GET /v1/models": LIST,
  "POST /v1/completions": events(completionChunk("ok", "stop"), usageChunk(3, 1)),
};

async function inFrontOf(url: string): Promise<RunningServer> {
  const server = await startServer({ args: ["--engine", `openai=${url}`] });
  onTestFinished(async () => void (await server.stop()));
  return server;
}

async function until(fact: () => Promise<boolean>): Promise<void> {
  while (!(await fact())) await new Promise((resolve) => setTimeout(resolve, 25));
}

describe("a server in front of an engine elsewhere", () => {
  test("says what was found, and answers every catalogue name with it", async () => {
    const peer = await peerServer(ANSWERS);
    const server = await inFrontOf(peer.url);

    expect(server.log()).toContain(`openai at ${peer.url}`);
    expect(server.log()).toContain("their-model, no fill-in-the-middle, chat without Partial Mode");
    expect(server.log()).toContain("stands in for every catalogue name");
    const { json: answer, headers } = await post(server.url, COMPLETIONS, {
      model: "qwen-coder-turbo",
      prompt: "Once",
    });
    expect(answer).toMatchObject({ choices: [{ text: "ok", finish_reason: "stop" }], usage: { total_tokens: 4 } });
    expect(headers.get("x-continuo-model")).toBe("their-model");
  });

  test("tells of it what is known, and no figure that nobody counted", async () => {
    const server = await inFrontOf((await peerServer(ANSWERS)).url);
    await post(server.url, COMPLETIONS, { model: "openai", prompt: "Once" });

    const { text } = await get(server.url, "/metrics");
    const lines = text
      .split("\n")
      .filter((line) => line.includes('engine="openai"') && !/_(?:bucket|sum)\{/.test(line));
    expect(lines.sort()).toEqual([
      'continuo_engine_completion_tokens_total{engine="openai"} 1',
      'continuo_engine_prompt_tokens_total{engine="openai"} 3',
      'continuo_engine_requests_total{engine="openai",kind="openai",outcome="ok"} 1',
      'continuo_engine_running{engine="openai"} 0',
      'continuo_engine_time_to_first_text_seconds_count{engine="openai",kind="openai"} 1',
      'continuo_engine_up{engine="openai",kind="openai"} 1',
    ]);
    const [engine] = (await get(server.url, "/health")).json.engines;
    expect(Object.keys(engine)).toEqual(["name", "kind", "state", "detail", "running"]);
    const { continuo } = (await get(server.url, "/v1/models/openai")).json;
    expect(continuo).toMatchObject({ context_length: null, state: "ready", answered_by: "openai" });
  });

  test("starts without it, says so, and serves once it is there", async () => {
    const first = await peerServer({});
    await first.stop();
    const server = await inFrontOf(first.url);

    expect((await get(server.url, "/ready")).status).toBe(503);
    expect((await get(server.url, "/ready")).json.reason).toContain("nobody answers there");
    const refused = await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt: "Once" });
    expect(refused.status).toBe(503);
    expect((refused.json as Json).error.code).toBe("ModelUnavailable");

    await peerServer(ANSWERS, Number(new URL(first.url).port));
    await until(async () => (await get(server.url, "/ready")).status === 200);
    expect((await post(server.url, COMPLETIONS, { model: "qwen-coder-turbo", prompt: "Once" })).status).toBe(200);
  });

  test("passes on how long the engine asks to wait", async () => {
    const busy = json({ error: { message: "busy" } }, 429, { "retry-after": "7" });
    const server = await inFrontOf((await peerServer({ ...ANSWERS, "POST /v1/completions": busy })).url);

    const { status, headers } = await post(server.url, COMPLETIONS, { model: "openai", prompt: "Once" });

    expect([status, headers.get("retry-after")]).toEqual([429, "7"]);
  });
});
