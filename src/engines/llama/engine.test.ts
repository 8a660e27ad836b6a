import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../../test/support/files.ts";
import { writeTinyModel } from "../../../test/support/tiny-model.ts";
import { FIM_LAYOUTS } from "../../continuation/fim.ts";
import { collect, type Result, type StreamPart } from "../../continuation/output.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";
import { LlamaEngine, type LlamaEngineOptions } from "./engine.ts";

const folder = temporaryFolder();
afterAll(folder.remove);
const TINY = join(folder.path, "tiny.gguf");
writeTinyModel(TINY);

/** The built engine process: it is a program of its own, not TypeScript run by the tests. */
const PROCESS = new URL("../../../dist/engines/llama/process.js", import.meta.url);
const never = new AbortController().signal;

type Over = Partial<Omit<LlamaEngineOptions, "engine">> & { readonly engine?: Partial<LlamaEngineOptions["engine"]> };

/** A started engine, disposed of with the test. */
function start({ engine, ...over }: Over = {}): LlamaEngine {
  const started = new LlamaEngine({
    name: "tiny",
    path: TINY,
    engine: { slots: 4, slotTokens: 1024, threads: 1, deterministic: true, queueLimit: 64, ...engine },
    fimLayouts: FIM_LAYOUTS,
    script: PROCESS,
    report: () => {},
    ...over,
  });
  started.load(never).catch(() => {}); // those who ask hear of it
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

function asking(text: string, over: Partial<ContinuationRequest> = {}): ContinuationRequest {
  return {
    model: "tiny",
    input: { kind: "text", parts: [{ text }] },
    sampling: { temperature: 0 },
    limits: { maxTokens: 60, stopStrings: [], stopSequences: [], maxInputTokens: 1000, truncate: false },
    choices: 1,
    promptLogprobs: false,
    tokenHealing: false,
    ...over,
  };
}

const SEEDED: Partial<ContinuationRequest> = {
  sampling: { temperature: 1, topP: 0.95, presencePenalty: 0.5, seed: 7 },
  choices: 2,
};

/** About 700 tokens. */
const LONG = "def quick_sort(values):\n    if len(values) < 2:\n        return values\n".repeat(14);

/** Everything but how much of a cache was used. */
function said({ start: first, choices, usage }: Result) {
  const { promptTokens, completionTokens } = usage;
  return { first, choices, promptTokens, completionTokens };
}

function kill(engine: LlamaEngine): void {
  if (engine.pid === undefined) throw new Error("there is no process to kill");
  process.kill(engine.pid, "SIGKILL");
}

/** Of an engine that is being started: its process is there when the header has been read. */
async function pidOf(engine: LlamaEngine): Promise<number> {
  while (engine.pid === undefined) await new Promise((resolve) => setImmediate(resolve));
  return engine.pid;
}

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
      start().generate(asking(text, { grammar, tokenHealing: true }), never),
    );

    expect(choices[0]?.text).toMatch(/^(yes|no)$/);
    expect(first.ignored).toEqual(["tokenHealing"]);
  },
);

test("an answer is one start, deltas, a finish per choice and one usage", async () => {
  const engine = start();
  const parts: StreamPart[] = [];
  for await (const part of engine.generate(asking("The ", SEEDED), never)) parts.push(part);

  expect(parts[0]).toEqual({ type: "start", model: "tiny", promptTokens: 3, truncatedTokens: 0, ignored: [] });
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

describe("when the engine process is killed", () => {
  const REQUESTS = [
    asking("The "),
    asking("春天", SEEDED),
    asking(LONG, { logprobs: 1 }),
    asking("x = ", { ...SEEDED, limits: { ...asking("").limits, stopStrings: ["\u0000", "zzzz"] } }),
    asking("waits for a slot"),
  ];

  test("deterministic texts are those of an undisturbed run", async () => {
    const engine = start();
    const undisturbed = [];
    for (const request of REQUESTS) undisturbed.push(said(await collect(engine.generate(request, never))));
    let deltas = 0;
    async function* killing(parts: AsyncIterable<StreamPart>): AsyncGenerator<StreamPart> {
      for await (const part of parts) {
        if (part.type === "delta" && ++deltas % 60 === 0) kill(engine);
        yield part;
      }
    }

    const disturbed = await Promise.all(
      REQUESTS.map(async (request) => said(await collect(killing(engine.generate(request, never))))),
    );

    expect(disturbed).toEqual(undisturbed);
    const { restarts, resumed } = engine.stats();
    expect(restarts).toBeGreaterThanOrEqual(4);
    expect(resumed).toBeGreaterThan(restarts);
  });

  test("in default mode streams go on without an error or a gap", async () => {
    const engine = start({ engine: { deterministic: false } });
    const requests = REQUESTS.map((request) => ({ ...request, choices: 1 }));
    let deltas = 0;
    async function* killing(parts: AsyncIterable<StreamPart>): AsyncGenerator<StreamPart> {
      for await (const part of parts) {
        if (part.type === "delta" && ++deltas % 120 === 0) kill(engine);
        yield part;
      }
    }

    const results = await Promise.all(requests.map((request) => collect(killing(engine.generate(request, never)))));

    for (const result of results) {
      expect(result.choices[0]?.reason).toBe("length");
      expect(result.choices[0]?.tokens).toHaveLength(60);
      expect(result.usage.completionTokens).toBe(60);
    }
  });

  test("a prompt that was not finished is evaluated again", async () => {
    const engine = start();
    const reference = said(await collect(engine.generate(asking(LONG), never)));
    const parts = engine.generate(asking(LONG), never);
    const first = await parts.next();
    kill(engine);
    const rest: StreamPart[] = [];
    for await (const part of parts) rest.push(part);

    expect(first.value).toMatchObject({ type: "start" });
    expect(rest.filter((part) => part.type === "start")).toEqual([]);
    expect(rest.flatMap((part) => (part.type === "delta" ? part.text : [])).join("")).toBe(reference.choices[0]?.text);
  });

  test("while it loads, another one loads", async () => {
    const engine = start();
    const first = await pidOf(engine);
    kill(engine);

    expect((await collect(engine.generate(asking("The "), never))).choices[0]?.tokens).toHaveLength(60);
    expect(engine.pid).not.toBe(first);
  });

  test("what it had counted stays counted", async () => {
    const engine = start();
    await collect(engine.generate(asking("The "), never));
    const before = engine.stats();
    kill(engine);
    await collect(engine.generate(asking("The "), never));

    expect(before).toMatchObject({ promptTokens: 3, completionTokens: 60 });
    expect(engine.stats()).toMatchObject({ promptTokens: 6, completionTokens: 120, restarts: 1 });
  });
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

/** A program in place of the engine process. */
function program(name: string, source: string): URL {
  const path = join(folder.path, `${name}.mjs`);
  writeFileSync(path, source);
  return new URL(`file://${path}`);
}

const READY = `{ type: "ready", slots: 1, slotTokens: 100, threads: 1, runsOn: "nothing", facts: {
  description: "none", vocabularySize: 1, trainedTokens: 1, weightBytes: 0, cacheBytesPerToken: 0, controls: {}, ends: [], sampling: {}, prompting: {} } }`;

describe("a request for the engine process", () => {
  /** Answers every request with the request itself. */
  const ECHOES = `process.on("message", (message) => {
    if (message.type === "load") process.send(${READY});
    if (message.type !== "generate") return;
    process.send({ type: "accepted", id: message.id, promptTokens: 1, truncatedTokens: 0 });
    const done = { id: message.id, choice: 0, generated: [], text: JSON.stringify(message), shown: [],
      finished: { reason: "stop", completionTokens: 0 } };
    process.send({ type: "step", outputs: [done], stats: { aborted: {} } });
  });`;

  function messages(): (request: ContinuationRequest) => Promise<Record<string, unknown>> {
    const engine = start({ script: program("echoes", ECHOES) });
    return async (request) => {
      const [choice] = (await collect(engine.generate(request, never))).choices;
      return JSON.parse(choice?.text ?? "");
    };
  }

  test("is interactive when it fills in or is short, else it is batch work", async () => {
    const { maxTokens: _, ...limits } = asking("").limits;
    const infill = { kind: "infill", context: [], prefix: "a", suffix: "", middle: "", writtenMarkers: 0 } as const;
    const messageFor = messages();
    const laneOf = async (over: Partial<ContinuationRequest>) => (await messageFor(asking("x", over)))["lane"];

    expect(await laneOf({ limits: { ...limits, maxTokens: 64 } })).toBe("interactive");
    expect(await laneOf({ limits: { ...limits, maxTokens: 65 } })).toBe("batch");
    expect(await laneOf({ limits })).toBe("batch");
    expect(await laneOf({ limits, input: infill })).toBe("interactive");
  });

  test("carries the seed as it is, or a fresh one", async () => {
    const messageFor = messages();
    const seedOf = async (seed?: number) =>
      (await messageFor(asking("x", { sampling: seed === undefined ? {} : { seed } })))["seed"];

    expect(await seedOf(7)).toBe("7");
    expect(await seedOf(-1)).toBe("18446744073709551615");
    expect(await seedOf()).not.toBe(await seedOf());
  });

  test("carries biases by id and says nothing that was not asked for", async () => {
    const message = await messages()(
      asking("x", { sampling: { temperature: 0, logitBias: new Map([[5, -100]]) }, logprobs: 0 }),
    );

    expect(message).toMatchObject({
      logitBias: [[5, -100]],
      sampling: { temperature: 0 },
      logprobs: 0,
      promptLogprobs: false,
      choices: [[]],
      resumed: false,
    });
    expect(Object.keys(message["sampling"] ?? {})).toEqual(["temperature"]);
  });
});

describe("an engine process that cannot live", () => {
  test("is not started for ever", async () => {
    const script = program("dies-at-start", "process.exit(7);");

    await expect(start({ script }).load(never)).rejects.toMatchObject({
      code: "model_unavailable",
      message: expect.stringMatching(/died 5 times while loading .*tiny\.gguf \(exit code 7\)/),
    });
  });

  test("fails the request that it dies of, and only after some tries", async () => {
    const source = `process.on("message", (message) => {
      if (message.type === "load") process.send(${READY});
      else process.exit(7);
    });`;
    const engine = start({ script: program("dies-of-requests", source) });

    await expect(collect(engine.generate(asking("x"), never))).rejects.toMatchObject({ code: "internal" });
    expect(engine.stats().restarts).toBe(5);
  });

  test("that breaks off between accepting and answering starts the stream only once", async () => {
    const source = `process.on("message", (message) => {
      if (message.type === "load") process.send(${READY});
      if (message.type !== "generate") return;
      if (!message.resumed) {
        process.send({ type: "accepted", id: message.id, promptTokens: 3, truncatedTokens: 0 }, () => process.exit(7));
        return;
      }
      const done = { id: message.id, choice: 0, generated: [1], text: "a", shown: [1], cachedTokens: 2,
        finished: { reason: "stop", completionTokens: 1 } };
      process.send({ type: "step", outputs: [done], stats: { aborted: {} } });
    });`;
    const engine = start({ script: program("dies-once", source) });

    const parts: StreamPart[] = [];
    for await (const part of engine.generate(asking("x"), never)) parts.push(part);

    expect(parts.map((part) => part.type)).toEqual(["start", "delta", "finish", "usage"]);
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
