import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import type { StreamPart } from "../continuation/output.ts";

/** The pieces of a response as they were written, without the empty one at the end. */
async function pieces(port: number): Promise<readonly string[]> {
  const body = JSON.stringify({ model: "m", prompt: "a", stream: true });
  const socket = connect(port, "127.0.0.1").setEncoding("utf8");
  let text = "";
  socket.on("data", (data: string) => {
    text += data;
  });
  const head = ["POST /v1/completions HTTP/1.1", "Host: localhost", "Connection: close"];
  socket.write(`${[...head, `Content-Length: ${body.length}`].join("\r\n")}\r\n\r\n${body}`);
  await once(socket, "end");
  const lines = text.slice(text.indexOf("\r\n\r\n") + 4).split("\r\n");
  // Events have no CR, so every second line is the size of a piece.
  return lines.filter((line, index) => index % 2 === 1 && line !== "");
}

test("events that arise at the same moment are written as one piece", async () => {
  const { port } = await serve(new ScriptedEngine(() => saying(["a", "b", "c", "d", "e"])));

  const [first = ""] = await pieces(port);

  expect(first.match(/"text":"[a-e]"/g)).toHaveLength(5);
});

test("a piece has an end, however much there is to say at one moment", async () => {
  const word = "x".repeat(1_000);
  const { port } = await serve(new ScriptedEngine(() => saying(Array.from({ length: 100 }, () => word))));

  const written = await pieces(port);

  expect(Math.max(...written.map(({ length }) => length))).toBeLessThan(20_000);
  expect(written.join("").split(word)).toHaveLength(101);
});

describe("prompts of one request of which the second is asked by instruction", () => {
  const BATCH = { model: "m", prompt: ["x", "y"] };

  /** @param promptConcurrency prompts under way at the same time. */
  const asking = async (body: Record<string, unknown>, promptConcurrency: number) => {
    const engine = new ScriptedEngine(({ input }) => {
      const isFirst = JSON.stringify(input).includes('"x"');
      const guarantee = isFirst ? "native" : "emulated";
      const ignored = isFirst ? ["seed"] : ["topK"];
      return saying(["a", "b"]).map(
        (part): StreamPart => (part.type === "start" ? { ...part, guarantee, ignored } : part),
      );
    });
    const { url } = await serve(engine, { limits: { promptConcurrency } });
    const response = await post(`${url}/v1/completions`, body);
    const { status, headers } = response;
    const said = ["x-continuo-guarantee", "x-continuo-ignored"].map((name) => headers.get(name));
    return { status, said, text: await response.text() };
  };

  test.each([1, 2])("have one plain answer, whose headers hold for both: %i at a time", async (promptConcurrency) => {
    const { status, said, text } = await asking(BATCH, promptConcurrency);

    expect([status, said]).toEqual([200, ["emulated", "seed,top_k"]]);
    expect((JSON.parse(text) as { choices: { text: string }[] }).choices.map((choice) => choice.text)).toEqual([
      "ab",
      "ab",
    ]);
  });

  test("have one stream as long as the headers have not left", async () => {
    const { status, said, text } = await asking({ ...BATCH, stream: true }, 2);

    expect([status, said]).toEqual([200, ["emulated", "seed,top_k"]]);
    expect(text).toMatch(/\[DONE\]\n\n$/);
  });

  test("end a stream whose headers have promised more, with advice", async () => {
    const { said, text } = await asking({ ...BATCH, stream: true }, 1);

    expect(said).toEqual(["native", "seed"]);
    expect(text).toContain('the answer promised \\"native\\" for all of its prompts');
    expect(text).toContain('or without \\"stream\\"');
  });
});
