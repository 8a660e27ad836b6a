import { describe, expect, test } from "vitest";
import { never } from "../../../test/support/described-weights.ts";
import {
  bytes,
  completionChunk,
  engineAt,
  type Heard,
  hear,
  LIST,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";

const event = (data: object): string => `data: ${JSON.stringify(data)}\n\n`;
const said = (...texts: readonly string[]): string => texts.map((text) => event(completionChunk(text))).join("");

/** What is heard of an answer that comes in these writes, the next one when the reader has got what came before. */
async function heard(...writes: readonly string[]): Promise<Heard> {
  const peer = await peerServer({ "GET /v1/models": LIST, "POST /v1/completions": bytes(...writes) });
  return hear(engineAt("openai", peer.url).generate(remoteRequest(), never));
}

describe("events that come at once", () => {
  test("are one part, which says how many there were", async () => {
    const { parts } = await heard(
      `${said("a", "b", "c")}${event(completionChunk("", "stop"))}${event(usageChunk(4, 5))}data: [DONE]\n\n`,
    );

    expect(parts.slice(1)).toEqual([
      { type: "delta", choice: 0, text: "abc", pieces: 3 },
      { type: "finish", choice: 0, reason: "stop", raw: "stop" },
      { type: "usage", usage: { promptTokens: 4, completionTokens: 5, source: "engine" } },
    ]);
  });

  test("are said as far as they can be read", async () => {
    const { text, parts, error } = await heard(`${said("a", "b")}data: garbage\n\n${said("c")}`);

    expect(text).toBe("ab");
    expect(parts.map(({ type }) => type)).toEqual(["start", "delta", "usage"]);
    expect(parts.at(-1)).toMatchObject({ usage: { completionTokens: 2, source: "estimate" } });
    expect(error).toMatchObject({ code: "internal" });
  });

  test("say nothing at all when the first cannot be read", async () => {
    const { parts, error } = await heard(`data: garbage\n\n${said("a")}`);

    expect(parts).toEqual([]);
    expect(error).toMatchObject({ code: "internal" });
  });
});
