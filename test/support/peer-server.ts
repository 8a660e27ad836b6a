/** An engine elsewhere whose every byte is in the hands of a test. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { FIM_LAYOUTS } from "../../src/continuation/fim.ts";
import type { StreamPart } from "../../src/continuation/output.ts";
import type { ContinuationRequest } from "../../src/continuation/request.ts";
import type { RemoteModel } from "../../src/engines/remote/peer.ts";
import { adapterOf } from "../../src/engines/remote/registry.ts";
import { RemoteEngine } from "../../src/engines/remote/remote-engine.ts";
import { Upstream, type UpstreamLimits, type UpstreamOptions } from "../../src/engines/remote/transport.ts";
import type { Json } from "./calls.ts";

export interface PeerCall {
  /** `POST /v1/completions`. */
  readonly what: string;
  readonly headers: IncomingMessage["headers"];
  /** Parsed; undefined without one. */
  readonly body: Json;
  /** Resolves when the connection of the call is gone or its answer has left. */
  readonly closed: Promise<unknown>;
}

export type PeerAnswer = (call: PeerCall, response: ServerResponse) => unknown;

export interface PeerServer {
  readonly url: string;
  readonly calls: readonly PeerCall[];
  /** Those of one route. */
  to(what: string): readonly PeerCall[];
  stop(): Promise<void>;
}

/** @param answers by `METHOD /path`; anything else is 404. @param port 0: any. */
export async function peerServer(answers: Readonly<Record<string, PeerAnswer>>, port = 0): Promise<PeerServer> {
  const calls: PeerCall[] = [];
  const sockets = new Set<Socket>();
  const server = createServer(async (request, response) => {
    const body = await text(request);
    const { pathname } = new URL(request.url ?? "", "http://peer");
    const call: PeerCall = {
      what: `${request.method} ${pathname}`,
      headers: request.headers,
      body: body === "" ? undefined : JSON.parse(body),
      closed: new Promise((resolve) => response.once("close", resolve)),
    };
    calls.push(call);
    const answer = answers[call.what];
    if (answer === undefined) return response.writeHead(404).end('{"detail":"Not Found"}');
    return answer(call, response);
  }).listen(port, "127.0.0.1");
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  await once(server, "listening");
  const stop = async (): Promise<void> => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  onTestFinished(stop);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${bound}`,
    calls,
    to: (what) => calls.filter((call) => call.what === what),
    stop,
  };
}

export function json(body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): PeerAnswer {
  return (_, response) =>
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

/** A stream of exactly these bytes, in these pieces. */
export function bytes(...pieces: readonly (string | Uint8Array)[]): PeerAnswer {
  return inPieces("text/event-stream", ...pieces);
}

/** The same as something other than events. */
export function inPieces(type: string, ...pieces: readonly (string | Uint8Array)[]): PeerAnswer {
  return async (_, response) => {
    response.writeHead(200, { "content-type": type });
    for (const piece of pieces) {
      response.write(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    response.end();
  };
}

/** Resolves when a response that was full takes more, or is gone. */
export function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off("drain", go).off("close", go);
      resolve();
    };
    response.on("drain", go).on("close", go);
  });
}

/** Events as JSON, then `[DONE]`. */
export function events(...all: readonly unknown[]): PeerAnswer {
  return bytes(all.map((each) => `data: ${JSON.stringify(each)}\n\n`).join(""), "data: [DONE]\n\n");
}

export function completionChunk(text: string, finish: string | null = null): object {
  return {
    id: "cmpl-1",
    object: "text_completion",
    choices: [{ index: 0, text, logprobs: null, finish_reason: finish }],
  };
}

export function chatChunk(content: string | undefined, finish: string | null = null): object {
  const delta = content === undefined ? {} : { content };
  return { id: "chatcmpl-1", object: "chat.completion.chunk", choices: [{ index: 0, delta, finish_reason: finish }] };
}

export function usageChunk(promptTokens: number, completionTokens: number): object {
  const usage = { prompt_tokens: promptTokens, completion_tokens: completionTokens };
  return { choices: [], usage: { ...usage, total_tokens: promptTokens + completionTokens } };
}

export const LIST = json({ object: "list", data: [{ id: "their-model", object: "model" }] });

export const QUICK: UpstreamLimits = { connectMs: 2_000, firstTokenMs: 5_000, idleMs: 5_000, totalMs: 0 };

export interface EngineOver extends Partial<Pick<UpstreamOptions, "apiKey" | "tls" | "limits">> {
  readonly model?: Partial<RemoteModel>;
}

/** An engine of a kind at an address; the test's end closes it. */
export function engineAt(kind: string, url: string, over: EngineOver = {}): RemoteEngine {
  const { model, ...options } = over;
  const upstream = new Upstream({ name: "peer", url, limits: QUICK, ...options });
  const engine = new RemoteEngine({
    model: { name: "mine", fimLayouts: FIM_LAYOUTS, fields: new Set(), ...model },
    adapter: adapterOf(kind),
    upstream,
    report: () => {},
    after: () => () => {},
  });
  onTestFinished(async () => {
    await engine[Symbol.asyncDispose]();
    await upstream.close();
  });
  return engine;
}

export function remoteRequest(over: Partial<ContinuationRequest> = {}): ContinuationRequest {
  return {
    model: "mine",
    input: { kind: "text", parts: [{ text: "Once" }] },
    sampling: {},
    limits: { maxTokens: 16, stopStrings: [], stopSequences: [], maxInputTokens: 1_000, truncate: false },
    choices: 1,
    promptLogprobs: false,
    ...over,
  };
}

export interface Heard {
  readonly text: string;
  readonly parts: readonly StreamPart[];
  readonly error?: unknown;
}

/** All that a stream says until it ends or throws. */
export async function hear(parts: AsyncIterable<StreamPart>): Promise<Heard> {
  const all: StreamPart[] = [];
  const textOf = (): string => all.map((part) => (part.type === "delta" ? part.text : "")).join("");
  try {
    for await (const part of parts) all.push(part);
    return { text: textOf(), parts: all };
  } catch (error) {
    return { text: textOf(), parts: all, error };
  }
}
