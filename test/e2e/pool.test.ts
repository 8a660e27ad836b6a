/** The built program with two replicas elsewhere, one of which fails. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  CHAT,
  COMPLETIONS,
  eventually,
  get,
  type Json,
  joinedText,
  metric,
  NATIVE,
  post,
  postStream,
} from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import {
  chatChunk,
  completionChunk,
  events,
  json,
  LIST,
  type PeerAnswer,
  type PeerServer,
  peerServer,
  usageChunk,
} from "../support/peer-server.ts";
import { type RunningServer, startServer } from "../support/server.ts";

const WHOLE = events(completionChunk("upon"), completionChunk(" a time", "stop"), usageChunk(5, 3));
const REST = events(completionChunk(" a time", "stop"), usageChunk(6, 2));

/** Sends its beginning and drops the connection. */
function brokenOff(...chunks: readonly object[]): PeerAnswer {
  return (_call, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const chunk of chunks) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
    setImmediate(() => response.destroy());
  };
}

interface Pooled {
  readonly server: RunningServer;
  readonly peers: readonly PeerServer[];
}

/** The first is preferred as long as it is there. */
async function pooled(...answers: readonly Readonly<Record<string, PeerAnswer>>[]): Promise<Pooled> {
  const peers = await Promise.all(answers.map((each) => peerServer({ "GET /v1/models": LIST, ...each })));
  const folder = temporaryFolder();
  const engines = peers.map(({ url }, index) => `  e${index}: { kind: openai, url: "${url}", prefix: partial }\n`);
  const models = peers.map((_, index) => `  r${index}: { engine: e${index} }\n`);
  const replicas = peers.map((_, index) => `{ model: r${index}, weight: ${10 ** (peers.length - index)} }`);
  const file = join(folder.path, "continuo.yaml");
  writeFileSync(
    file,
    `engines:\n${engines.join("")}models:\n  pool: { replicas: [${replicas.join(", ")}] }\n${models.join("")}`,
  );
  const server = await startServer({ args: ["--config", file] });
  onTestFinished(async () => {
    await server.stop();
    folder.remove();
  });
  return { server, peers };
}

describe("a replica that breaks off", () => {
  const begun = { "POST /v1/completions": brokenOff(completionChunk("upon")) };

  test("is followed by the other, plain and streamed, behind what was sent", async () => {
    const { server, peers } = await pooled(begun, { "POST /v1/completions": REST });
    const plain = await post(server.url, COMPLETIONS, { model: "pool", prompt: "Once ", max_tokens: 9 });
    const streamed = await postStream(server.url, COMPLETIONS, { model: "pool", prompt: "Once " });

    expect(plain.json.choices).toMatchObject([{ text: "upon a time", finish_reason: "stop" }]);
    expect([joinedText(streamed.events), streamed.done]).toEqual(["upon a time", true]);
    expect(peers[1]?.calls.at(-1)?.body).toMatchObject({ prompt: "Once upon" });
    expect(await metric(server.url, "continuo_pool_resumes_total")).toBe(2);
    expect(server.log()).toContain("answered by r0, r1: 2 of 2 replicas");
  });

  test("in a dialogue what was sent becomes the assistant prefix", async () => {
    const { server, peers } = await pooled(
      { "POST /v1/chat/completions": brokenOff(chatChunk("upon")) },
      { "POST /v1/chat/completions": events(chatChunk(" a time", "stop"), usageChunk(6, 2)) },
    );
    const messages = [{ role: "user", content: "Tell." }];
    const opened = [...messages, { role: "assistant", content: "Once ", partial: true }];
    const chat = await postStream(server.url, CHAT, { model: "pool", messages });
    const native = await postStream(server.url, NATIVE, {
      model: "pool",
      input: { messages: opened },
      parameters: { incremental_output: true, result_format: "message" },
    });

    expect([joinedText(chat.events), joinedText(native.events)]).toEqual(["upon a time", "upon a time"]);
    const prefixes = peers[1]?.calls.flatMap(({ body }) => (body as Json)?.messages?.at(-1) ?? []);
    expect(prefixes).toEqual([
      { role: "assistant", content: "upon", partial: true },
      { role: "assistant", content: "Once upon", partial: true },
    ]);
  });

  test("with nobody to follow is one error event, and what was sent is charged", async () => {
    const { server } = await pooled(begun);
    const { text, done } = await postStream(server.url, COMPLETIONS, { model: "pool", prompt: "Once " });

    expect(text).toContain('"text":"upon"');
    expect(text).toContain('"error":');
    expect(done).toBe(false);
  });
});

test("one that is busy or away is passed over, and that is seen", async () => {
  const busy = json({ error: { message: "busy" } }, 429);
  const { server, peers } = await pooled({ "POST /v1/completions": busy }, { "POST /v1/completions": WHOLE });

  const answered = async (): Promise<void> => {
    expect((await post(server.url, COMPLETIONS, { model: "pool", prompt: "Once " })).status).toBe(200);
  };

  for (let each = 0; each < 2; each += 1) await answered();
  expect(await metric(server.url, "continuo_pool_retries_total")).toBeGreaterThanOrEqual(1);
  await peers[0]?.stop();
  for (let each = 0; each < 4; each += 1) await answered();
  const { engines } = (await get(server.url, "/health")).json;
  expect(engines.find(({ name }: Json) => name === "pool")).toMatchObject({ state: "ready" });
  const isUp = (replica: string): Promise<number> =>
    metric(server.url, "continuo_pool_replica_up", { label: `replica="${replica}"` });
  await eventually("the one that is away is not asked any more", async () => (await isUp("r0")) === 0);
  expect(await isUp("r1")).toBe(1);
  expect((await get(server.url, "/v1/models/pool")).json.continuo).toMatchObject({
    answered_by: "pool",
    state: "ready",
  });
});
