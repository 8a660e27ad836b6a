/**
 * An engine that only repeats a script, for bench/gateway.ts. Both of OpenAI's routes, streamed and plain. The name of the
 * model says how it streams: `fast` writes each event in a turn of its own, `paced` waits between two.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { PAUSE_MS, PIECES } from "./gateway-script.ts";

const TEXT = PIECES.join("");
const USAGE = { prompt_tokens: 12, completion_tokens: PIECES.length, total_tokens: 12 + PIECES.length };

interface Script {
  readonly whole: Buffer;
  readonly events: readonly Buffer[];
}

const COMPLETION = script({
  object: "text_completion",
  whole: { text: TEXT, index: 0, logprobs: null, finish_reason: "stop" },
  choices: [
    ...PIECES.map((text) => ({ text, index: 0, logprobs: null, finish_reason: null })),
    { text: "", index: 0, logprobs: null, finish_reason: "stop" },
  ],
});

const CHAT = script({
  object: "chat.completion",
  chunk: "chat.completion.chunk",
  whole: { index: 0, message: { role: "assistant", content: TEXT }, logprobs: null, finish_reason: "stop" },
  choices: [
    { index: 0, delta: { role: "assistant", content: "" }, logprobs: null, finish_reason: null },
    ...PIECES.map((content) => ({ index: 0, delta: { content }, logprobs: null, finish_reason: null })),
    { index: 0, delta: {}, logprobs: null, finish_reason: "stop" },
  ],
});

function script(of: { object: string; chunk?: string; whole: object; choices: readonly object[] }): Script {
  const body = (object: string, choices: readonly object[], usage: object | null) =>
    JSON.stringify({ id: "cmpl-0123456789abcdef", object, created: 1_700_000_000, model: "script", choices, usage });
  const event = (data: string) => Buffer.from(`data: ${data}\n\n`);
  const chunk = of.chunk ?? of.object;
  return {
    whole: Buffer.from(body(of.object, [of.whole], USAGE)),
    events: [
      ...of.choices.map((choice) => event(body(chunk, [choice], null))),
      event(body(chunk, [], USAGE)),
      event("[DONE]"),
    ],
  };
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const path = request.url ?? "";
  if (request.method === "GET") {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ object: "list", data: [{ id: "fast" }, { id: "paced" }] }));
    return;
  }
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const { stream, model } = JSON.parse(Buffer.concat(pieces).toString()) as { stream?: boolean; model?: string };
  const { whole, events } = path.endsWith("/chat/completions") ? CHAT : COMPLETION;
  if (stream !== true) {
    response.writeHead(200, { "content-type": "application/json", "content-length": whole.length });
    response.end(whole);
    return;
  }
  response.writeHead(200, { "content-type": "text/event-stream" });
  let next = 0;
  const write = (): void => {
    if (response.destroyed) return;
    const event = events[next];
    next += 1;
    if (event === undefined) {
      response.end();
      return;
    }
    if (!response.write(event)) response.once("drain", later);
    else later();
  };
  const later = (): void => void (model === "paced" ? setTimeout(write, PAUSE_MS) : setImmediate(write));
  write();
}

const server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => {
  answer(request, response).catch((error: unknown) => response.destroy(error instanceof Error ? error : undefined));
});
server.listen(0, "127.0.0.1", () => process.send?.((server.address() as AddressInfo).port));
process.on("disconnect", () => process.exit(0));
