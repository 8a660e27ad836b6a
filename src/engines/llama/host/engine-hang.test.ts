import { describe, expect, test } from "vitest";
import { asking, LONG, never, pidOf, READY, SEEDED, said, tinyEngines } from "../../../../test/support/tiny-engine.ts";
import { collect, type StreamPart } from "../../../continuation/output.ts";
import type { LlamaEngine } from "./engine.ts";

const { start, program } = tinyEngines();

/** Short, so that tests need not wait; a busy machine may make a healthy process look like a hanging one, which changes no text. */
const TIMEOUT_MS = 2_000;

function stop(engine: LlamaEngine): void {
  if (engine.pid === undefined) throw new Error("there is no process to stop");
  process.kill(engine.pid, "SIGSTOP");
}

/** Leaves the processor to the others between two looks. */
const moment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 10));

/** The same parts; at the delta with this number something happens. */
async function* at(delta: number, happens: () => void, parts: AsyncIterable<StreamPart>): AsyncGenerator<StreamPart> {
  let deltas = 0;
  for await (const part of parts) {
    if (part.type === "delta" && ++deltas === delta) happens();
    yield part;
  }
}

describe.skipIf(process.platform === "win32")("when the engine process is stopped", () => {
  test("streams go on in another one, with the texts of an undisturbed run", async () => {
    const lines: string[] = [];
    const engine = start({ timeoutMs: TIMEOUT_MS, report: (line) => lines.push(line) });
    const requests = [asking("The "), asking("春天", SEEDED), asking(LONG)].map((each) => ({
      ...each,
      callId: "4f2a",
    }));
    const undisturbed = [];
    for (const request of requests) undisturbed.push(said(await collect(engine.generate(request, never))));
    const first = engine.pid;

    const [one, ...others] = requests.map((request) => engine.generate(request, never));
    const streams = one === undefined ? [] : [at(20, () => stop(engine), one), ...others];
    const disturbed = await Promise.all(streams.map(async (parts) => said(await collect(parts))));

    expect(disturbed).toEqual(undisturbed);
    expect(engine.pid).not.toBe(first);
    expect(engine.stats().hangs).toBeGreaterThanOrEqual(1);
    const line = lines.find((each) => each.includes("hangs and is killed")) ?? "";
    expect(line).toMatch(
      /^the engine process \d+ of tiny hangs and is killed: no progress for [2-9]\.\d s, it does not answer/,
    );
    expect(line).toMatch(/at work for request 4f2a \(\d+ prompt tokens, \d+ generated\)/);
    expect(line).not.toContain("The ");
  });

  test("its engine is stalled until another one serves", async () => {
    const engine = start({ timeoutMs: TIMEOUT_MS });
    const parts = engine.generate(asking("The "), never);
    await parts.next();
    const seen: string[] = [engine.health().state];
    stop(engine);

    const rest = collect(parts).catch(() => undefined); // its start is missing here
    while (engine.stats().hangs === 0 || engine.health().state !== "ready") {
      const { state, detail } = engine.health();
      if (seen.at(-1) !== state) seen.push(state);
      if (state === "stalled") expect(detail).toMatch(/^no progress for \d/);
      await moment();
    }
    await rest;

    expect(seen).toEqual(["ready", "stalled"]);
  });

  test("it is noticed while idle, too", async () => {
    const engine = start({ timeoutMs: TIMEOUT_MS });
    await engine.load(never);
    stop(engine);
    while (engine.stats().hangs === 0) await moment();

    expect((await collect(engine.generate(asking("The "), never))).choices[0]?.tokens).toHaveLength(60);
  });

  test("it is noticed while it loads; a second time the model has failed", async () => {
    const engine = start({ timeoutMs: TIMEOUT_MS, script: program("never-loads", "process.on('message', () => {});") });

    await expect(engine.load(never)).rejects.toMatchObject({
      code: "model_unavailable",
      message: expect.stringMatching(/died 2 times while loading .*no progress for/),
    });
    expect(engine.health().state).toBe("failed");
  });
});

/** A program that answers every request but those whose prompt has the word, at which it hangs in its own way. */
function hangs(how: string): string {
  return `
  let step = 0, busy = false;
  const running = [];
  process.on("message", (message) => {
    if (message.type === "load") process.send(${READY});
    if (message.type === "ping") process.send({ type: "pong", progress: { count: step, ...(busy && { activity: "a step of 4 rows", expectedMs: 1 }) } });
    if (message.type !== "generate") return;
    const { id } = message;
    process.send({ type: "accepted", id, promptTokens: 3, truncatedTokens: 0 });
    running.push(id);
    process.send({ type: "step", running, outputs: [], stats: { aborted: {} } });
    if (JSON.stringify(message.prompt).includes("deadly")) { busy = true; ${how} }
    else if (!busy) {
      step += 1;
      running.pop();
      const done = { id, choice: 0, generated: [1], text: "a", shown: [1], finished: { reason: "stop", completionTokens: 1 } };
      process.send({ type: "step", running, outputs: [done], stats: { aborted: {} } });
    }
  });`;
}

describe("a request at which the process hangs every time", () => {
  test.each([
    ["in a step, while it answers", ""],
    ["in a call that never returns", "setTimeout(() => { for (;;); }, 1);"],
  ])("%s, is refused after the second time, and its neighbours finish", async (_, how) => {
    const engine = start({ timeoutMs: TIMEOUT_MS / 2, script: program(`hangs-${how.length}`, hangs(how)) });
    const texts = ["one", "deadly", "two", "three"];

    const outcomes = await Promise.allSettled(texts.map((text) => collect(engine.generate(asking(text), never))));
    const again = collect(engine.generate(asking("deadly"), never));

    expect(texts.filter((_, index) => outcomes[index]?.status === "rejected")).toEqual(["deadly"]);
    expect(outcomes[1]).toMatchObject({
      reason: { code: "unsupported_input", message: expect.stringContaining("hung 2 times") },
    });
    await expect(again).rejects.toMatchObject({ code: "unsupported_input" });
    expect(engine.stats()).toMatchObject({ hangs: 2, restarts: 2, blamed: 1 });
  });

  test("and whose client leaves holds nobody up after that", async () => {
    const engine = start({
      timeoutMs: TIMEOUT_MS / 2,
      script: program("hangs-left", hangs("setTimeout(() => { for (;;); }, 1);")),
    });
    const leaving = new AbortController();
    const left = engine.generate(asking("deadly"), leaving.signal);
    await left.next();
    const waiting = collect(engine.generate(asking("one"), never));
    leaving.abort(new Error("gone"));

    await expect(collect(left)).rejects.toThrow("gone");
    expect((await waiting).choices[0]?.text).toBe("a");
  });
});

test("a healthy engine is left alone, idle or at work", async () => {
  const engine = start({ timeoutMs: 60_000 });
  await collect(engine.generate(asking(LONG), never));
  const pid = await pidOf(engine);

  expect(engine.stats()).toMatchObject({ hangs: 0, restarts: 0 });
  expect(engine.pid).toBe(pid);
});
