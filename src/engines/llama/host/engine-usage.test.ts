import { describe, expect, test } from "vitest";
import { asking, LONG, never, tinyEngines } from "../../../../test/support/tiny-engine.ts";
import { collect, type StreamPart, type Usage } from "../../../continuation/output.ts";
import type { ContinuationRequest } from "../../../continuation/request.ts";
import type { LlamaEngine } from "./engine.ts";

const { start } = tinyEngines();

const endless = (text: string, over: Partial<ContinuationRequest> = {}): ContinuationRequest =>
  asking(text, { limits: { ...asking("").limits, maxTokens: 900 }, ...over });

/** The parts of a request that is aborted once they satisfy `enough`. */
async function abortedWhen(
  engine: LlamaEngine,
  request: ContinuationRequest,
  enough: (parts: readonly StreamPart[]) => boolean,
): Promise<readonly StreamPart[]> {
  const abort = new AbortController();
  const parts: StreamPart[] = [];
  const reading = (async () => {
    for await (const part of engine.generate(request, abort.signal)) {
      parts.push(part);
      if (enough(parts)) abort.abort(new Error("gone"));
    }
  })();
  await expect(reading).rejects.toThrow("gone");
  return parts;
}

function usageOf(parts: readonly StreamPart[]): Usage | undefined {
  const last = parts.at(-1);
  return last?.type === "usage" ? last.usage : undefined;
}

/** What the engine has counted by itself since the statistics were `before`. */
function computed(engine: LlamaEngine, before: { promptTokens: number; completionTokens: number }) {
  const { promptTokens, completionTokens } = engine.stats();
  return {
    promptTokens: promptTokens - before.promptTokens,
    completionTokens: completionTokens - before.completionTokens,
  };
}

describe("an aborted request says last what was computed for it", () => {
  test.each([
    ["at its beginning", endless(LONG), 1],
    ["after its first token", endless("The "), 2],
    ["after some more", endless(LONG), 30],
    [
      "with tokens held back",
      endless("The ", { limits: { ...asking("").limits, stopStrings: ["\u0000".repeat(9)] } }),
      9,
    ],
  ])("%s", async (_when, request, parts) => {
    const engine = start({ engine: { slots: 1 } });
    await engine.load(never);
    const before = engine.stats();

    const said = await abortedWhen(engine, request, (each) => each.length >= parts);

    expect(usageOf(said)).toMatchObject({ ...computed(engine, before), source: "engine" });
  });

  test("with several choices, of which some wait for a slot", async () => {
    const engine = start({ engine: { slots: 2, deterministic: false } });
    await engine.load(never);
    const request = endless("The ", { choices: 3, sampling: { temperature: 1, seed: 3 } });

    const said = await abortedWhen(engine, request, (parts) => parts.length >= 20);

    const { completionTokens } = engine.stats();
    expect(usageOf(said)).toMatchObject({ promptTokens: 3, completionTokens, source: "engine" });
  });

  test("and nothing when it was still waiting", async () => {
    const engine = start({ engine: { slots: 1 } });
    const running = engine.generate(endless("The "), never);
    await running.next();
    await running.next();

    const said = await abortedWhen(engine, asking(LONG), () => true);
    await running.return(undefined);

    expect(said.map(({ type }) => type)).toEqual(["start", "usage"]);
    expect(usageOf(said)).toMatchObject({ promptTokens: 0, completionTokens: 0, source: "engine" });
  });

  test("also when its process has died with it", async () => {
    const engine = start();
    const request = endless("The ");
    const abort = new AbortController();
    const parts = engine.generate(request, abort.signal);
    const said: StreamPart[] = [];
    for (let count = 0; count < 6; count += 1) said.push((await parts.next()).value as StreamPart); // it is endless

    process.kill(engine.pid ?? 0, "SIGKILL");
    while (engine.health().state === "ready") await new Promise((resolve) => setImmediate(resolve));
    abort.abort(new Error("gone"));
    const last = await parts.next();

    const seen = said.filter(({ type }) => type === "delta").length;
    expect(last.value).toMatchObject({ type: "usage", usage: { promptTokens: 3, source: "estimate" } });
    expect(usageOf([last.value as StreamPart])?.completionTokens).toBeGreaterThanOrEqual(seen);
    await expect(parts.next()).rejects.toThrow("gone");
  });
});

describe("what the engine accepts", () => {
  test("is told before anything is computed", async () => {
    const engine = start();
    const short = { ...asking("").limits, maxInputTokens: 20, truncate: true };
    const requests = [asking("The "), asking(LONG, { limits: short })];

    const starts = await engine.accept(requests, never);
    const said = [];
    for (const request of requests) said.push((await collect(engine.generate(request, never))).start);

    expect(starts).toEqual(said);
    expect(starts[1]?.truncatedTokens).toBeGreaterThan(0);
  });

  test.each([
    ["a prompt that is too long", () => asking(LONG, { limits: { ...asking("").limits, maxInputTokens: 20 } })],
    ["one without a token", () => asking("")],
  ])("is not %s, and the others are not begun", async (_what, refused) => {
    const engine = start();

    const accepting = engine.accept([asking("The "), refused(), asking("春天")], never);

    await expect(accepting).rejects.toMatchObject({ code: "invalid_parameter" });
    expect(engine.stats()).toMatchObject({ promptTokens: 0, completionTokens: 0, queued: 0, running: 0 });
  });

  test("is not refused later because others came in between", async () => {
    const engine = start({ engine: { slots: 1, queueLimit: 1 } });
    const first = engine.generate(endless("The "), never);
    await first.next();
    await first.next();
    const waiting = engine.generate(asking("x"), never);
    await waiting.next();

    const refused = engine.accept([asking("y")], never);
    const accepted = engine.generate(asking("y", { accepted: true }), never);

    await expect(refused).rejects.toMatchObject({ code: "queue_full" });
    expect((await accepted.next()).value).toMatchObject({ type: "start" });
    await Promise.all([first.return(undefined), waiting.return(undefined), accepted.return(undefined)]);
  });
});
