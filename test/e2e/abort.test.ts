/** A caller who leaves stops the work: in the queue, during the prompt, while text comes; streamed and plain. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually, metric, post } from "../support/calls.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

/** Slow enough that a long prompt takes seconds, small enough to be written in one. */
const SHAPE = { layers: 6, width: 192, heads: 6, kvHeads: 2, feedForward: 768 };
const LONG_PROMPT = Array.from({ length: 1500 }, (_, line) => `value${line} = ${line}\n`)
  .join("")
  .slice(0, 4_000);

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: { shape: SHAPE } }, { args: ["--slots", "1"] });
});
afterAll(() => server?.stop());

const aborted = (phase: string) =>
  metric(server.url, "continuo_engine_aborted_requests_total", { label: `phase="${phase}"` });
const saved = (what: "prompt" | "completion") => metric(server.url, `continuo_engine_saved_${what}_tokens_total`);
const running = () => metric(server.url, "continuo_engine_running");
const queued = () => metric(server.url, "continuo_engine_queue_depth");
const generated = () => metric(server.url, "continuo_engine_completion_tokens_total");

interface Call {
  /** The caller leaves; resolves when its side has seen the end. */
  leave(): Promise<void>;
}

function call(fields: Record<string, unknown>): Call {
  const caller = new AbortController();
  const body = { model: "tiny", prompt: "hello", temperature: 0, ...fields };
  const answer = post(server.url, "/v1/completions", body, {}, caller.signal).then(
    () => undefined,
    () => undefined,
  );
  return {
    leave: () => {
      caller.abort();
      return answer;
    },
  };
}

/** Milliseconds until a short request has its one token. */
async function shortRequestMs(): Promise<number> {
  const started = performance.now();
  const answer = await post(server.url, "/v1/completions", { model: "tiny", prompt: "a", max_tokens: 1 });
  expect(answer.status, answer.text).toBe(200);
  return performance.now() - started;
}

const settled = () => eventually("the engine is idle", async () => (await running()) === 0 && (await queued()) === 0);

describe.each([
  ["streamed", true],
  ["plain", false],
])("a %s call", (_kind, stream) => {
  test("aborted in the queue never reaches a slot", async () => {
    await settled();
    const before = await aborted("queued");
    const first = call({ stream: true, max_tokens: 4000 });
    await eventually("the slot is taken", async () => (await running()) === 1);
    const second = call({ stream, max_tokens: 100, prompt: "春天" });
    await eventually("the second call waits", async () => (await queued()) === 1);

    await second.leave();

    await eventually("the abort is counted", async () => (await aborted("queued")) === before + 1);
    expect(await queued()).toBe(0);
    expect(await running()).toBe(1);
    await first.leave();
    await settled();
  });

  test("aborted during its prompt frees the slot at once", async () => {
    await settled();
    const wholeStartedMs = performance.now();
    const whole = await post(server.url, "/v1/completions", { model: "tiny", prompt: LONG_PROMPT, max_tokens: 1 });
    const wholeMs = performance.now() - wholeStartedMs;
    expect(whole.status, whole.text).toBe(200);
    const before = { aborted: await aborted("prefill"), saved: await saved("prompt") };
    const long = call({ stream, prompt: `#${LONG_PROMPT}`, max_tokens: 4 });
    await eventually("the prompt is being evaluated", async () => (await running()) === 1);

    await long.leave();
    const nextMs = await shortRequestMs();

    await eventually("the abort is counted", async () => (await aborted("prefill")) === before.aborted + 1);
    expect(whole.json.usage.prompt_tokens).toBeGreaterThan(2000);
    expect((await saved("prompt")) - before.saved).toBeGreaterThan(whole.json.usage.prompt_tokens / 4);
    expect(nextMs).toBeLessThan(wholeMs / 2);
    await settled();
  });

  test("aborted while text comes stops generating", async () => {
    await settled();
    const before = { aborted: await aborted("decode"), saved: await saved("completion"), tokens: await generated() };
    const long = call({ stream, max_tokens: 4000 });
    await eventually("text comes", async () => (await generated()) > before.tokens + 3);

    await long.leave();
    await shortRequestMs();

    await eventually("the abort is counted", async () => (await aborted("decode")) === before.aborted + 1);
    expect((await saved("completion")) - before.saved).toBeGreaterThan(1000);
    await settled();
  });
});
