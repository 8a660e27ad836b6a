import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { asking, LONG, never, pidOf, READY, SEEDED, said, tinyEngines } from "../../../../test/support/tiny-engine.ts";
import { collect, type StreamPart } from "../../../continuation/output.ts";
import type { LlamaEngine } from "./engine.ts";

const { folder, start, program } = tinyEngines();

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

  test("is not started for ever either when it dies as soon as it has loaded", async () => {
    const source = `process.on("message", (message) => {
      if (message.type === "load") process.send(${READY}, () => process.exit(7));
    });`;
    const engine = start({ script: program("dies-when-ready", source) });

    while (engine.health().state !== "failed" && engine.stats().restarts < 10)
      await new Promise((resolve) => setImmediate(resolve));

    expect(engine.health()).toMatchObject({
      state: "failed",
      detail: expect.stringMatching(/died 5 times while loading .*tiny\.gguf \(exit code 7\)/),
    });
  });

  test("fails the request that it dies of twice, and does not try its like again", async () => {
    const source = `process.on("message", (message) => {
      if (message.type === "load") process.send(${READY});
      if (message.type === "generate") process.exit(7);
    });`;
    const engine = start({ script: program("dies-of-requests", source) });

    await expect(collect(engine.generate(asking("x"), never))).rejects.toMatchObject({ code: "unsupported_input" });
    await expect(collect(engine.generate(asking("x"), never))).rejects.toThrow(/send it again in 10 minutes/);

    expect(engine.stats()).toMatchObject({ restarts: 2, blamed: 1, hangs: 0 });
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
      process.send({ type: "step", running: [], outputs: [done], stats: { aborted: {} } });
    });`;
    const engine = start({ script: program("dies-once", source) });

    const parts: StreamPart[] = [];
    for await (const part of engine.generate(asking("x"), never)) parts.push(part);

    expect(parts.map((part) => part.type)).toEqual(["start", "delta", "finish", "usage"]);
  });
});

/** A program that dies of every request whose prompt says so, once all that were announced have come; it answers the others. */
const DIES_OF_SOME = (expected: number): string => `
  const { existsSync, writeFileSync } = await import("node:fs");
  const met = new URL("met", import.meta.url);
  const text = (message) => JSON.stringify(message.prompt);
  const all = [];
  process.on("message", (message) => {
    if (message.type === "load") process.send(${READY});
    if (message.type !== "generate") return;
    process.send({ type: "accepted", id: message.id, promptTokens: 3, truncatedTokens: 0 });
    all.push(message);
    if (!existsSync(met) && all.length < ${expected}) return;
    writeFileSync(met, "");
    process.send({ type: "step", running: all.map(({ id }) => id), outputs: [], stats: { aborted: {} } }, () => {
      if (all.some((each) => text(each).includes("deadly"))) process.exit(7);
      for (const { id } of all.splice(0)) {
        const done = { id, choice: 0, generated: [1], text: "a", shown: [1], finished: { reason: "stop", completionTokens: 1 } };
        process.send({ type: "step", running: [], outputs: [done], stats: { aborted: {} } });
      }
    });
  });`;

test("the request that processes die of is refused, and all that ran beside it finish", async () => {
  const engine = start({ script: program("dies-of-some", DIES_OF_SOME(7)) });
  const texts = ["one", "two", "three", "deadly", "four", "five", "six"];

  const outcomes = await Promise.allSettled(texts.map((text) => collect(engine.generate(asking(text), never))));

  const refused = texts.filter((_, index) => outcomes[index]?.status === "rejected");
  expect(refused).toEqual(["deadly"]);
  expect(engine.stats()).toMatchObject({ restarts: 2, blamed: 1 });
});

test("a request that was given up is not sent to the next process, though its reader has not come for the news", async () => {
  const source = `
    const { appendFileSync } = await import("node:fs");
    process.on("message", (message) => {
      if (message.type === "load") process.send(${READY});
      if (message.type !== "generate") return;
      appendFileSync(new URL("sent", import.meta.url), JSON.stringify(message.prompt).includes("slow") ? "slow " : "other ");
      process.send({ type: "accepted", id: message.id, promptTokens: 3, truncatedTokens: 0 }, () => process.exit(7));
    });`;
  const engine = start({ script: program("notes-what-is-sent", source) });
  const slow = engine.generate(asking("slow"), never);
  await slow.next(); // its start; what follows is not asked for

  await expect(collect(engine.generate(asking("other"), never))).rejects.toMatchObject({ code: "unsupported_input" });

  const sent = readFileSync(join(folder.path, "sent"), "utf8").split(" ");
  expect(sent.filter((each) => each === "slow").length).toBeLessThanOrEqual(2);
  await expect(collect(slow)).rejects.toMatchObject({ code: "unsupported_input" });
});

test("a process that dies while it loads says nothing against the requests that wait for it", async () => {
  const source = `
    const { existsSync, writeFileSync } = await import("node:fs");
    const lives = ["first", "second"].map((name) => new URL("life-" + name, import.meta.url));
    const life = lives.filter((each) => existsSync(each)).length;
    if (life < lives.length) writeFileSync(lives[life], "");
    process.on("message", (message) => {
      if (message.type === "load" && life === 1) {
        process.send({ type: "pong", progress: { count: 1, activity: "loading" } }, () => process.exit(7));
      } else if (message.type === "load") process.send(${READY});
      if (message.type !== "generate") return;
      if (life === 0) process.exit(7);
      process.send({ type: "accepted", id: message.id, promptTokens: 3, truncatedTokens: 0 });
      const done = { id: message.id, choice: 0, generated: [1], text: "a", shown: [1], cachedTokens: 2,
        finished: { reason: "stop", completionTokens: 1 } };
      process.send({ type: "step", running: [], outputs: [done], stats: { aborted: {} } });
    });`;
  const engine = start({ script: program("dies-of-a-request-and-then-loading", source) });

  const { choices } = await collect(engine.generate(asking("x"), never));

  expect(choices[0]?.text).toBe("a");
  expect(engine.stats()).toMatchObject({ restarts: 2, blamed: 0 });
});
