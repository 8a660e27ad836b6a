/** A completions server of some other make, whose answers are in the hands of a test. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { onTestFinished } from "vitest";

export interface AskedBody {
  readonly model: string;
  readonly prompt: string;
  readonly suffix?: string;
  readonly stream?: boolean;
  readonly token_healing?: boolean;
}

export interface CompletionsServer {
  readonly url: string;
  /** What was asked, in order. */
  readonly bodies: readonly AskedBody[];
}

/** Lists the model `m` and answers with what the script says; undefined is refused. The test's end closes it. */
export async function completionsServer(
  answer: (body: AskedBody) => string | undefined | Promise<string | undefined>,
): Promise<CompletionsServer> {
  const bodies: AskedBody[] = [];
  const server = createServer(async (request, response) => {
    if (request.url === "/v1/models") return response.end('{"data":[{"id":"m"}]}');
    const body = (await json(request)) as AskedBody;
    bodies.push(body);
    const text = await answer(body);
    if (text === undefined) return response.writeHead(400).end('{"error":{"message":"no suffix, please"}}');
    const chunk = { choices: [{ text, finish_reason: "stop" }] };
    return response.end(`data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`);
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, "listening");
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, bodies };
}
