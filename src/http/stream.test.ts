import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { serve } from "../../test/support/scripted-service.ts";

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
