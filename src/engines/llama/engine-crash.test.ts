import { describe, expect, test } from "vitest";
import { asking, LONG, never, pidOf, READY, SEEDED, said, tinyEngines } from "../../../test/support/tiny-engine.ts";
import { collect, type StreamPart } from "../../continuation/output.ts";
import type { LlamaEngine } from "./engine.ts";

const { start, program } = tinyEngines();

function kill(engine: LlamaEngine): void {
  if (engine.pid === undefined) throw new Error("there is no process to kill");
  process.kill(engine.pid, "SIGKILL");
}

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
