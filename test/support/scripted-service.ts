import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { ModelCard } from "../../src/continuation/card.ts";
import { type AppParts, createApp, type Service } from "../../src/http/app.ts";
import type { ProtocolRoute } from "../../src/http/failure.ts";
import { generationProtocol } from "../../src/protocols/dashscope-generation.ts";
import { chatProtocol } from "../../src/protocols/openai-chat.ts";
import { completionsProtocol } from "../../src/protocols/openai-completions.ts";
import { createLog } from "../../src/telemetry/log.ts";
import { Metrics } from "../../src/telemetry/metrics.ts";
import { openToAll } from "./authenticators.ts";
import { UNMETERED } from "./meters.ts";
import { type ScriptedEngine, scriptedCard, scriptedDirectory } from "./scripted-engine.ts";

export const ROUTES: readonly ProtocolRoute[] = [
  { path: "/compatible-mode/v1/completions", protocol: completionsProtocol("dashscope") },
  { path: "/compatible-mode/v1/chat/completions", protocol: chatProtocol("dashscope") },
  { path: "/api/v1/services/aigc/text-generation/generation", protocol: generationProtocol() },
  { path: "/v1/completions", protocol: completionsProtocol("openai") },
  { path: "/v1/chat/completions", protocol: chatProtocol("openai") },
];

export interface Serving {
  readonly service: Service;
  readonly url: string;
  readonly port: number;
  readonly metrics: Metrics;
  /** Log entries so far. */
  readonly entries: readonly Record<string, unknown>[];
  /** The first entry that fits, waiting for it if it has not been written yet. */
  entry(fits: (entry: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
}

export interface ServingOptions extends Partial<AppParts> {
  readonly cards?: readonly ModelCard[];
  /** Waited for before any model answers. */
  readonly opening?: Promise<unknown>;
}

/** A service on a port of its own in front of a scripted engine; the test's end closes it. Knows the model `m`. */
export async function serve(engine: ScriptedEngine, options: ServingOptions = {}): Promise<Serving> {
  const { cards = [scriptedCard("m")], opening, ...parts } = options;
  const entries: Record<string, unknown>[] = [];
  const waiting: (() => void)[] = [];
  const destination = {
    write: (line: string): void => {
      entries.push(JSON.parse(line) as Record<string, unknown>);
      for (const wake of waiting.splice(0)) wake();
    },
  };
  const engines = () => [{ name: engine.name, engine }];
  const metrics = new Metrics(engines);
  const service = await createApp({
    directory: scriptedDirectory(engine, cards, opening),
    routes: ROUTES,
    engines,
    authenticator: openToAll("default"),
    meter: UNMETERED,
    log: createLog({ level: "debug", destination }),
    metrics,
    corsOrigins: [],
    version: "0.0.0",
    ...parts,
  });
  await service.app.listen({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => service.drain(0));
  const { port } = service.app.server.address() as AddressInfo;
  const entry: Serving["entry"] = async (fits) => {
    for (;;) {
      const found = entries.find(fits);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
  };
  return { service, url: `http://127.0.0.1:${port}`, port, metrics, entries, entry };
}

/** Posts a body as JSON. */
export function post(url: string, body: unknown, init: RequestInit = {}): Promise<Response> {
  return fetch(url, {
    method: "POST",
    body: JSON.stringify(body),
    ...init,
    headers: { "content-type": "application/json", ...init.headers },
  });
}

/** A plain call of a completions route that is answered. */
export const hello = { model: "m", prompt: "say hello" };

/** The same call as a stream. */
export const streamed = { ...hello, stream: true };

/** What the events of a stream say, without `[DONE]`. */
export function eventData(text: string): unknown[] {
  const lines = text.split("\n").filter((line) => line.startsWith("data: {"));
  return lines.map((line) => JSON.parse(line.slice("data: ".length)));
}
