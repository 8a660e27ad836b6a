import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { never } from "../../../test/support/described-weights.ts";
import {
  chatChunk,
  engineAt,
  events,
  type Heard,
  hear,
  LIST,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import type { Chat, Infill } from "../../continuation/input.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import type { RemoteModel } from "./peer.ts";

const GAP: Infill = {
  ...{ kind: "infill", context: [], prefix: "def add(a, b):\n    ", suffix: "\n\nprint(add(1, 2))\n", middle: "" },
  writtenMarkers: 0,
};
const BEGUN: Chat = {
  kind: "chat",
  messages: [{ role: "user", content: [{ text: "Count." }] }],
  assistantPrefix: "One, two,",
};
const FENCED = ["```py", "thon\nret", "urn a + b\n", "``", "`\nThis adds", " them."];

interface Asked extends Heard {
  readonly body: Json;
  readonly what?: string;
  readonly model: Json;
}

async function ask(
  kind: string,
  over: Partial<ContinuationRequest>,
  said: readonly string[],
  model: Partial<RemoteModel> = { emulate: true },
): Promise<Asked> {
  const answer = events(...said.map((each) => chatChunk(each)), chatChunk(undefined, "stop"), usageChunk(90, 12));
  const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/chat/completions": answer });
  const engine = engineAt(kind, `${peer.url}/v1`, { model });
  const heard = await hear(engine.generate(remoteRequest(over), never));
  const call = peer.calls.find(({ what }) => what.startsWith("POST"));
  const about = await engine.model(never);
  return { ...heard, body: call?.body, model: about, ...(call !== undefined && { what: call.what }) };
}

describe.each(["openai", "moonshot"])("what %s is asked by instruction", (kind) => {
  test("a gap: the text before and behind it, and nothing of the answer but the middle", async () => {
    const { what, body, text, parts, model } = await ask(kind, { input: GAP }, FENCED);

    expect(what).toBe("POST /v1/chat/completions");
    expect(body.messages[0]).toMatchObject({ role: "system", content: expect.stringContaining("[[GAP]]") });
    expect(body.messages.at(-1)).toEqual({
      role: "user",
      content: "def add(a, b):\n    [[GAP]]\n\nprint(add(1, 2))\n",
    });
    expect(text).toBe("return a + b");
    expect(parts[0]).toMatchObject({ type: "start", guarantee: "emulated" });
    expect(parts.at(-2)).toMatchObject({ type: "finish", reason: "stop", raw: "fence" });
    expect(parts.at(-1)).toMatchObject({ type: "usage", usage: { source: "estimate" } });
    expect(model).toMatchObject({ fim: "emulated" });
  });

  test("a gap whose fence is closed: the engine is told to stop", async () => {
    const peer = await peerServer({
      "GET /v1/models": LIST,
      "POST /v1/chat/completions": async (_, response) => {
        response.writeHead(200, { "content-type": "text/event-stream" });
        for (const said of FENCED) response.write(`data: ${JSON.stringify(chatChunk(said))}\n\n`);
        const talk = setInterval(() => response.write(`data: ${JSON.stringify(chatChunk("because "))}\n\n`), 20);
        response.once("close", () => clearInterval(talk));
      },
    });
    const engine = engineAt(kind, `${peer.url}/v1`, { model: { emulate: true } });

    expect((await hear(engine.generate(remoteRequest({ input: GAP }), never))).text).toBe("return a + b");
    await peer.to("POST /v1/chat/completions")[0]?.closed;
  });

  test("a gap ends before the text behind it is repeated", async () => {
    const { text, parts } = await ask(kind, { input: GAP }, ["return a + b\n\nprint(add(1,", " 2))\n"]);

    expect(text).toBe("return a + b");
    expect(parts).toContainEqual(expect.objectContaining({ type: "finish", rule: "suffix" }));
  });

  test("a text that has the mark of a gap gets another", async () => {
    const { body } = await ask(kind, { input: { ...GAP, prefix: "[[GAP]] " } }, ["a"]);

    expect(body.messages.at(-1).content).toBe("[[GAP]] [[GAP 2]]\n\nprint(add(1, 2))\n");
    expect(body.messages[0].content).toContain("[[GAP 2]]");
  });

  test("stops end the clean text, and the engine is not told of them", async () => {
    const limits = { ...remoteRequest().limits, stopStrings: ["\n"] };
    const { body, text } = await ask(kind, { input: GAP, limits }, ["```python\nx = 1\n", "return\n```"]);

    expect(body).not.toHaveProperty("stop");
    expect(text).toBe("x = 1");
  });

  test("a text that goes on", async () => {
    const { body, text, parts } = await ask(kind, {}, ["Once", " upon a time"]);

    expect(body.messages.at(-1)).toEqual({ role: "user", content: "Once" });
    expect(text).toBe(" upon a time");
    expect(parts[0]).toMatchObject({ guarantee: "emulated" });
  });

  test("an answer with a shape, or scores, is refused", async () => {
    const shaped = await ask(kind, { input: GAP, shape: { gbnf: "root ::= [a]", path: "" } } as never, []);
    const scored = await ask(kind, { input: GAP, logprobs: 1 }, []);

    expect(shaped.error).toMatchObject({ code: "unsupported_input", detail: { param: "grammar" } });
    expect(scored.error).toMatchObject({ code: "unsupported_input", detail: { param: "logprobs" } });
  });
});

describe("the beginning of an answer", () => {
  test("is a turn to go on with, and no repetition of it comes back", async () => {
    const { body, text, parts } = await ask("openai", { input: BEGUN }, ["One, tw", "o, three."]);

    expect(body.messages.map(({ role }: Json) => role)).toEqual(["user", "assistant", "user"]);
    expect(body.messages[1]).toEqual({ role: "assistant", content: "One, two," });
    expect(text).toBe(" three.");
    expect(parts[0]).toMatchObject({ guarantee: "emulated" });
  });

  test("goes the engine's own way where it has one", async () => {
    const { body, parts } = await ask("openai", { input: BEGUN }, [" three."], { emulate: true, prefix: "partial" });

    expect(body.messages[1]).toMatchObject({ partial: true });
    expect(parts[0]).toMatchObject({ guarantee: "native" });
  });
});

test("without the operator's word nothing is asked by instruction, and the refusal names the way", async () => {
  const prefixed = await ask("openai", { input: BEGUN }, [], {});
  const text = await ask("moonshot", {}, [], {});

  expect(prefixed.error).toMatchObject({
    code: "unsupported_input",
    message: expect.stringContaining("emulate: true"),
  });
  expect(text.error).toMatchObject({ code: "unsupported_input", message: expect.stringContaining("emulate: true") });
  expect(prefixed.model).toMatchObject({ mayEmulate: true });
  expect(prefixed.model).not.toHaveProperty("fim");
});

test("a chat without a prefix is asked as it is", async () => {
  const { assistantPrefix: _, ...chat } = BEGUN;
  const { body, parts } = await ask("openai", { input: chat }, ["```\na\n```"]);

  expect(body.messages).toEqual([{ role: "user", content: "Count." }]);
  expect(parts[0]).toMatchObject({ guarantee: "native" });
});
