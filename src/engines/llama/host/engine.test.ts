import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { asking, LONG, never, pidOf, SEEDED, said, tinyEngines } from "../../../../test/support/tiny-engine.ts";
import { collect, type StreamPart } from "../../../continuation/output.ts";
import { ServiceError } from "../../../errors.ts";

const { folder, file: TINY, start } = tinyEngines();

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test.each(["the answer: ", "the answer is pe", "def f(x"])(
  "a grammar describes the answer to %j from its first character on, so nothing is healed and that is said",
  async (text) => {
    const grammar = 'root ::= "yes" | "no"';
    const { start: first, choices } = await collect(
      start().generate(asking(text, { shape: { gbnf: grammar }, tokenHealing: true }), never),
    );

    expect(choices[0]?.text).toMatch(/^(yes|no)$/);
    expect(first.ignored).toEqual(["tokenHealing"]);
  },
);

test("an answer is one start, deltas, a finish per choice and one usage", async () => {
  const engine = start();
  const parts: StreamPart[] = [];
  for await (const part of engine.generate(asking("The ", SEEDED), never)) parts.push(part);

  expect(parts[0]).toEqual({
    type: "start",
    model: "tiny",
    promptTokens: 3,
    truncatedTokens: 0,
    ignored: [],
    guarantee: "exact",
  });
  expect(parts.at(-1)).toEqual({
    type: "usage",
    usage: {
      promptTokens: 3,
      completionTokens: 120,
      cachedPromptTokens: 0,
      source: "engine",
    },
  });
  const middle = parts.slice(1, -1);
  for (const choice of [0, 1]) {
    const own = middle.filter((part) => "choice" in part && part.choice === choice);
    expect(own.at(-1)).toEqual({ type: "finish", choice, reason: "length" });
    expect(own.slice(0, -1).every((part) => part.type === "delta")).toBe(true);
  }
  expect(middle.every((part) => part.type === "delta" || part.type === "finish")).toBe(true);
  expect(engine.health().state).toBe("ready");
  expect(engine.stats()).toMatchObject({ completionTokens: 120, restarts: 0, running: 0, queued: 0 });
});

test("the model says what it can do", async () => {
  expect(await start().model(never)).toMatchObject({ id: "tiny", contextTokens: 1024, fim: "qwen", chat: true });
});

describe("a file that is no model", () => {
  const whole = readFileSync(TINY);
  const broken: Record<string, (path: string) => void> = {
    missing: () => {},
    empty: (path) => writeFileSync(path, ""),
    "cut in its header": (path) => writeFileSync(path, whole.subarray(0, 100)),
    "cut in its weights": (path) => writeFileSync(path, whole.subarray(0, whole.length - 5000)),
    "a text": (path) => writeFileSync(path, "This is a letter, not a model.\n".repeat(100)),
    "a folder": (path) => mkdirSync(path),
  };

  test.each(Object.entries(broken))("(%s) is named in a clear error", async (kind, write) => {
    const path = join(folder.path, `${kind.replaceAll(" ", "-")}.gguf`);
    write(path);
    const engine = start({ path });

    const failure: unknown = await engine.model(never).catch((error: unknown) => error);

    expect(failure).toBeInstanceOf(ServiceError);
    expect(failure).toMatchObject({ code: "model_unavailable", message: expect.stringContaining(path) });
    expect(engine.health()).toMatchObject({ state: "failed", detail: expect.stringContaining(path) });
    await expect(collect(engine.generate(asking("x"), never))).rejects.toThrow(path);
  });

  test("a layout that the vocabulary lacks is refused", async () => {
    await expect(start({ fim: "starcoder" }).model(never)).rejects.toThrow(/lacks markers .* "starcoder"/);
  });
});

describe("aborting", () => {
  test("in the middle of a prompt frees the engine for the next request", async () => {
    const engine = start({ engine: { slots: 1 } });
    const reference = said(await collect(engine.generate(asking("The "), never)));
    const abort = new AbortController();
    const parts = engine.generate(asking(LONG), abort.signal);
    await parts.next();

    abort.abort(new Error("gone"));
    expect((await parts.next()).value).toMatchObject({ type: "usage" });
    await expect(parts.next()).rejects.toThrow("gone");
    const next = said(await collect(engine.generate(asking("The "), never)));

    expect(next).toEqual(reference);
    expect(engine.stats().aborted).toEqual({ queued: 0, prefill: 1, decode: 0 });
    expect(engine.stats().savedPromptTokens).toBeGreaterThan(0);
  });

  test("a stream that nobody reads any more is an abort too", async () => {
    const engine = start({ engine: { slots: 1 } });
    for await (const part of engine.generate(
      asking("The ", { limits: { ...asking("").limits, maxTokens: 900 } }),
      never,
    )) {
      if (part.type === "delta") break;
    }
    await collect(engine.generate(asking("The "), never));

    expect(engine.stats().aborted).toEqual({ queued: 0, prefill: 0, decode: 1 });
  });

  test("before the model is loaded ends the wait", async () => {
    const engine = start();
    const abort = new AbortController();
    const waiting = collect(engine.generate(asking("x"), abort.signal));
    abort.abort(new Error("gone"));

    await expect(waiting).rejects.toThrow("gone");
  });
});

describe("disposing", () => {
  test("ends running requests and leaves no process behind", async () => {
    const engine = start();
    const parts = engine.generate(asking("The ", { limits: { ...asking("").limits, maxTokens: 900 } }), never);
    await parts.next();
    const pid = engine.pid ?? 0;
    expect(isAlive(pid)).toBe(true);

    const running = collect(parts);
    running.catch(() => {});
    await engine[Symbol.asyncDispose]();

    await expect(running).rejects.toMatchObject({ code: "shutting_down" });
    expect(isAlive(pid)).toBe(false);
    await expect(collect(engine.generate(asking("x"), never))).rejects.toMatchObject({ code: "shutting_down" });
  });

  test("ends requests that wait for the model", async () => {
    const engine = start();
    const pid = await pidOf(engine);
    const waiting = collect(engine.generate(asking("x"), never));
    waiting.catch(() => {});

    await engine[Symbol.asyncDispose]();

    await expect(waiting).rejects.toMatchObject({ code: "shutting_down" });
    expect(isAlive(pid)).toBe(false);
  });
});
