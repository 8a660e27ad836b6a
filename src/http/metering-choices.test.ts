/** Usage and limits say what was computed, for every way in which a call of several choices or prompts can end. */
import { expect, test } from "vitest";
import { ledger, meterOn } from "../../test/support/accounting.ts";
import { COMPLETIONS } from "../../test/support/calls.ts";
import { CountingEngine, type Plan } from "../../test/support/counting-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import { changeLimits, listLimits } from "../accounts/limits.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import type { HttpLimits } from "./limits.ts";

const V1 = "/v1/completions";

/** Long enough that whoever wants to leave can. */
const ENDLESS = 1_000_000;

const PLANS: Readonly<Record<string, Partial<Plan>>> = {
  short: { tokens: 5 },
  long: { tokens: ENDLESS },
  failing: { ending: "fails" },
  refused: { ending: "is refused" },
};

function planOf({ input }: ContinuationRequest): Plan {
  const part = input.kind === "text" ? input.parts[0] : undefined;
  const named = part !== undefined && "text" in part ? PLANS[part.text] : undefined;
  return { promptTokens: 3, tokens: 8, burst: 2, ending: "stops", ...named };
}

async function metered(canTell: boolean, limits: Partial<HttpLimits> = {}) {
  const store = await freshLibsql();
  const ada = { store, actor: "ada", now: Date.now };
  await changeLimits(ada, "default", [{ pattern: "m", set: { requestsPerMinute: 1000, monthlyTokens: 10_000_000 } }]);
  const engine = new CountingEngine(planOf, canTell);
  const meter = await meterOn(store, Date.now);
  const serving = await serve(engine, { meter, limits: { promptConcurrency: 2, ...limits } });
  /** Once the log has the request, so has the account. */
  const settled = async () => {
    const entry = await serving.entry(({ msg }) => msg === "request");
    const [limit] = await listLimits(ada);
    return { entry, records: await ledger(store), charged: limit?.tokensThisMonth, running: limit?.running };
  };
  return { ...serving, engine, store, settled };
}

type Ended = Awaited<ReturnType<Awaited<ReturnType<typeof metered>>["settled"]>>;

function expectCharged({ records, charged, running }: Ended, engine: CountingEngine, outcome: string): void {
  const { promptTokens, completionTokens } = engine.computed;
  expect(records).toMatchObject([
    { prompt_tokens: promptTokens, completion_tokens: completionTokens, outcome, is_estimate: 0 },
  ]);
  expect({ charged, running }).toEqual({ charged: promptTokens + completionTokens, running: 0 });
}

const THREE = ["short", "short", "short"];
const TOO_LONG = [...THREE, "refused"];
const FAILING = ["long", "failing"];

test.each<[what: string, path: string, asked: object, status: number, outcome: string]>([
  ["several prompts", COMPLETIONS, { prompt: THREE }, 200, "ok"],
  ["several prompts, streamed", COMPLETIONS, { prompt: THREE, stream: true }, 200, "ok"],
  ["several choices", V1, { prompt: "short", n: 3 }, 200, "ok"],
  ["the best of several choices", V1, { prompt: "short", best_of: 4 }, 200, "ok"],
  ["an engine that fails for one of two prompts", COMPLETIONS, { prompt: FAILING }, 500, "internal"],
  ["the same, streamed", COMPLETIONS, { prompt: FAILING, stream: true }, 200, "internal"],
  ["an engine that fails for a choice", V1, { prompt: "failing", n: 2 }, 500, "internal"],
])("%s: the charge is what was computed", async (_what, path, asked, status, outcome) => {
  const { url, engine, settled } = await metered(true);

  const response = await post(url + path, { model: "m", max_tokens: 8, ...asked });
  await response.text();

  expect(response.status).toBe(status);
  expect(engine.computed.completionTokens).toBeGreaterThan(0);
  expectCharged(await settled(), engine, outcome);
});

test.each([false, true])(
  "a batch that is refused computes nothing, and leaves no record (stream: %s)",
  async (stream) => {
    const { url, engine, settled } = await metered(true);

    const response = await post(url + COMPLETIONS, { model: "m", prompt: TOO_LONG, stream });

    expect(response.status).toBe(400);
    expect(engine.computed).toEqual({ promptTokens: 0, completionTokens: 0 });
    expect(await settled()).toMatchObject({ records: [], charged: 0, running: 0 });
  },
);

test("a batch refused by an engine that could not tell before is charged for what it computed", async () => {
  const { url, engine, settled } = await metered(false);

  const response = await post(url + COMPLETIONS, { model: "m", prompt: TOO_LONG });

  expect(response.status).toBe(400);
  expect(engine.computed.completionTokens).toBeGreaterThanOrEqual(5);
  expectCharged(await settled(), engine, "invalid_parameter");
});

test.each([
  ["a stream", { prompt: "long", stream: true }],
  ["a plain call", { prompt: "long" }],
  ["a batch", { prompt: ["long", "long", "long"], stream: true }],
  ["several choices", { prompt: "long", n: 2, stream: true }],
])("%s whose client leaves is charged for what was computed", async (_what, asked) => {
  const { url, engine, settled } = await metered(true);
  const leaving = new AbortController();
  const answer = post(url + V1, { model: "m", ...asked }, { signal: leaving.signal }).then((response) =>
    response.text(),
  );
  while (engine.computed.completionTokens < 20) await new Promise((resolve) => setImmediate(resolve));

  leaving.abort();

  await expect(answer).rejects.toThrow();
  expectCharged(await settled(), engine, "client_left");
});

test("a plain answer cut by its time limit says, and is charged, what was computed", async () => {
  const { url, engine, settled } = await metered(true, { plainTimeoutMs: 100 });

  const response = await post(url + COMPLETIONS, { model: "m", prompt: ["long", "long", "long"] });
  const { usage } = (await response.json()) as { usage: { prompt_tokens: number; completion_tokens: number } };

  const { promptTokens, completionTokens } = engine.computed;
  expect(usage).toMatchObject({ prompt_tokens: promptTokens, completion_tokens: completionTokens });
  expectCharged(await settled(), engine, "partial");
});

test("a stream cut by the stop of the server is charged for what was computed", async () => {
  const { url, engine, settled, service } = await metered(true);
  const response = await post(url + COMPLETIONS, { model: "m", prompt: ["long", "long"], stream: true });
  while (engine.computed.completionTokens < 20) await new Promise((resolve) => setImmediate(resolve));

  await service.drain(0);

  expect(await response.text()).toContain('"error"');
  expectCharged(await settled(), engine, "shutting_down");
});
