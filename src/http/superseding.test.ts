import { describe, expect, test } from "vitest";
import { ledger, meteredAccounts } from "../../test/support/accounting.ts";
import { configuredKeys } from "../../test/support/authenticators.ts";
import {
  deltaPart,
  type Gate,
  gate,
  ScriptedEngine,
  type Step,
  saying,
  startPart,
  usagePart,
} from "../../test/support/scripted-engine.ts";
import { eventData, post, type ServingOptions, serve } from "../../test/support/scripted-service.ts";
import { freshLibsql } from "../../test/support/stores.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { DEFAULT_TYPING, Typing } from "../typing/typing.ts";

const PATH = "/v1/completions";
const NAMED = { headers: { "x-continuo-document": "a.py" } };

/** What a prompt asks of the engine. */
const textOf = ({ input }: ContinuationRequest): string =>
  input.kind === "text" ? input.parts.map((part) => ("text" in part ? part.text : "")).join("") : "";

/** Says two tokens and then goes on when the gate opens; to `new` it answers at once, to `mute` not even its start. */
function slow(wait: Gate): ScriptedEngine {
  return new ScriptedEngine((request): Iterable<Step> => {
    if (textOf(request) === "new") return saying(["done"]);
    if (textOf(request) === "mute") return [wait.opened, ...saying(["late"])];
    return [startPart(), deltaPart("one "), deltaPart("two "), wait.opened, deltaPart("three"), usagePart(3)];
  });
}

const old = { model: "m", prompt: "old", max_tokens: 9 };
const newer = { model: "m", prompt: "new", max_tokens: 9 };

async function serving(options: ServingOptions = {}) {
  const wait = gate();
  const engine = slow(wait);
  const served = await serve(engine, options);
  const ask = (body: object, init: RequestInit = NAMED): Promise<Response> => post(served.url + PATH, body, init);
  const outcome = (name: string) => served.entry((entry) => entry["outcome"] === name);
  return { ...served, wait, engine, ask, outcome };
}

describe("an answer whose place a newer request takes", () => {
  test("ends as a stream does, with what there is of it, and its engine stops", async () => {
    const { engine, ask, outcome } = await serving();
    const first = await ask({ ...old, stream: true });
    const call = await engine.call(0);

    const second = await ask(newer);
    const text = await first.text();

    await call.ended;
    expect(call.signal.aborted).toBe(true);
    expect(await second.json()).toMatchObject({ choices: [{ text: "done", finish_reason: "stop" }] });
    const events = eventData(text) as { choices: { text: string; finish_reason: string | null }[] }[];
    expect(events.map(({ choices: [choice] }) => [choice?.text, choice?.finish_reason])).toEqual([
      ["one ", null],
      ["two ", null],
      ["", "length"],
    ]);
    expect(text.endsWith("data: [DONE]\n\n")).toBe(true);
    expect(await outcome("superseded")).toMatchObject({ status: 200 });
  });

  test("is a plain answer that says so", async () => {
    const { engine, ask } = await serving();
    const first = ask(old);
    await engine.call(0);

    await ask(newer);

    const answer = await first;
    expect([answer.status, answer.headers.get("x-continuo-superseded")]).toEqual([200, "true"]);
    expect(await answer.json()).toMatchObject({ choices: [{ finish_reason: "length" }] });
  });

  test.each([true, false])("is empty when its engine has not begun (stream: %s)", async (stream) => {
    const { engine, ask } = await serving();
    const first = ask({ ...old, prompt: "mute", stream });
    await engine.call(0);

    await ask(newer);

    const answer = await first;
    const text = await answer.text();
    expect(answer.status).toBe(200);
    const bodies = stream ? eventData(text) : [JSON.parse(text) as unknown];
    expect(bodies).toMatchObject([{ choices: [{ text: "", finish_reason: "length" }] }]);
  });

  test("counts as such in the metrics", async () => {
    const { engine, ask, metrics, outcome } = await serving();
    const first = ask(old);
    await engine.call(0);
    await ask(newer);
    await first;
    await outcome("superseded");

    const counted = await metrics.registry.getSingleMetricAsString("continuo_requests_total");
    expect(counted).toContain('outcome="superseded"} 1');
  });
});

describe("nothing is ended", () => {
  test("by a request of another key", async () => {
    const { wait, engine, ask } = await serving({ authenticator: configuredKeys(["k1", "k2"], "default") });
    const by = (key: string): RequestInit => ({ headers: { ...NAMED.headers, authorization: `Bearer ${key}` } });
    const first = ask(old, by("k1"));
    const { signal } = await engine.call(0);

    await (await ask(newer, by("k2"))).text();

    expect(signal.aborted).toBe(false);
    wait.open();
    expect((await first).headers.get("x-continuo-superseded")).toBeNull();
  });

  test.each([
    ["that names no document", newer, {}],
    ["for several choices", { ...newer, n: 2 }, NAMED],
    ["with several prompts", { ...newer, prompt: ["new", "new"] }, NAMED],
    ["that is refused", { ...newer, max_tokens: -1 }, NAMED],
  ])("by a request %s", async (_case, body, init) => {
    const { wait, engine, ask } = await serving();
    const first = ask(old);
    const { signal } = await engine.call(0);

    await (await ask(body, init)).text();

    expect(signal.aborted).toBe(false);
    wait.open();
    await first;
  });

  test("when the rule is off", async () => {
    const supersede = { document: false, user: false, prefix: false };
    const typing = new Typing({ ...DEFAULT_TYPING, supersede }, { now: () => 0 });
    const { wait, engine, ask } = await serving({ typing });
    const first = ask(old);
    const { signal } = await engine.call(0);

    await (await ask(newer)).text();

    expect(signal.aborted).toBe(false);
    wait.open();
    await first;
  });
});

describe("the account", () => {
  const setUp = meteredAccounts(freshLibsql);

  test("has what the older one had computed, and the newer one needs no room beside it", async () => {
    const { meter, store } = await setUp({ m: { concurrentRequests: 1 } });
    const { engine, ask, outcome } = await serving({ meter });
    const first = await ask({ ...old, stream: true });
    await engine.call(0);

    const second = await ask(newer);

    expect(second.status).toBe(200);
    await Promise.all([first.text(), second.text(), outcome("superseded"), outcome("ok")]);
    const records = await ledger(store);
    expect(new Set(records.map(({ outcome: how }) => how))).toEqual(new Set(["superseded", "ok"]));
    const older = records.find(({ outcome: how }) => how === "superseded");
    expect(older).toMatchObject({ prompt_tokens: 3, completion_tokens: 2 });
  });

  test("a request that is beyond the limit all the same leaves the others alone", async () => {
    const { meter } = await setUp({ m: { concurrentRequests: 1 } });
    const { wait, engine, ask } = await serving({ meter });
    const first = ask(old);
    const { signal } = await engine.call(0);

    const second = await ask(newer, { headers: { "x-continuo-document": "b.py" } });

    expect([second.status, signal.aborted]).toEqual([429, false]);
    wait.open();
    await first;
  });
});

test("the field `user` is no field without effect where it names who types", async () => {
  const supersede = { document: true, user: true, prefix: false };
  const typing = new Typing({ ...DEFAULT_TYPING, supersede }, { now: () => 0 });
  const { ask } = await serving({ typing });

  expect((await ask({ ...newer, user: "u" }, {})).headers.get("x-continuo-ignored")).toBeNull();
  const plain = await serving();
  expect((await plain.ask({ ...newer, user: "u" }, {})).headers.get("x-continuo-ignored")).toBe("user");
});
