import { describe, expect, test } from "vitest";
import { request } from "../../test/support/pooling.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { type RunningRequest, RunningRequests, type SupersedeRules, type Typist } from "./running-requests.ts";

const ALL: SupersedeRules = { document: true, user: true, prefix: true };

function gap(prefix: string, suffix = "}", over: Partial<ContinuationRequest> = {}): ContinuationRequest {
  const input = { kind: "infill", context: [], prefix, suffix, middle: "", writtenMarkers: 0 } as const;
  return request({ input, ...over });
}

const CHAT = request({ input: { kind: "chat", messages: [] } });

/** Two requests of one key, streamed, one after the other: what becomes of the older one. */
function meeting(
  [older, olderRequest]: readonly [Partial<Typist>, ContinuationRequest],
  [newer, newerRequest]: readonly [Partial<Typist>, ContinuationRequest],
  rules: SupersedeRules = ALL,
): boolean {
  const running = new RunningRequests(rules);
  const enter = (typist: Partial<Typist>, asked: ContinuationRequest): RunningRequest | undefined => {
    const entered = running.candidate({ owner: "key", isStream: true, ...typist }, [asked]);
    if (entered !== undefined) running.begin(entered);
    return entered;
  };
  const first = enter(older, olderRequest);
  enter(newer, newerRequest);
  return first?.isSuperseded ?? false;
}

describe("a newer request", () => {
  test("of the same document ends the older one", () => {
    expect(meeting([{ document: "a.py" }, gap("one")], [{ document: "a.py" }, gap("other")])).toBe(true);
  });

  test.each([
    ["of another document", { document: "a.py" }, { document: "b.py" }],
    ["of no document", { document: "a.py", user: "u" }, { user: "u" }],
    ["of another key", { document: "a.py" }, { document: "a.py", owner: "other" }],
    ["of another user", { user: "u" }, { user: "v" }],
  ])("%s leaves it alone", (_case, older, newer) => {
    expect(meeting([older, gap("one")], [newer, gap("other")])).toBe(false);
  });

  test("of the same document ends no chat about it, and a chat ends chats", () => {
    const document = { document: "a.py" };

    expect(meeting([document, CHAT], [document, gap("one")])).toBe(false);
    expect(meeting([document, gap("one")], [document, CHAT])).toBe(false);
    expect(meeting([document, CHAT], [document, CHAT])).toBe(true);
  });

  test("of the same user ends what is no chat", () => {
    expect(meeting([{ user: "u" }, gap("one")], [{ user: "u" }, gap("other")])).toBe(true);
    expect(meeting([{ user: "u" }, CHAT], [{ user: "u" }, CHAT])).toBe(false);
  });

  test("ends the stream whose text it goes on with", () => {
    expect(meeting([{}, gap("def f")], [{}, gap("def fi")])).toBe(true);
  });

  test.each([
    ["the same text, which may be an alternative or a second window", gap("def f"), gap("def f")],
    ["a text from which something was deleted", gap("def fi"), gap("def f")],
    ["another text", gap("def f"), gap("def g")],
    ["another suffix", gap("def f"), gap("def fi", "]")],
    ["other sampling", gap("def f"), gap("def fi", "}", { sampling: { temperature: 1 } })],
    ["far more text than is typed meanwhile", gap("def f"), gap(`def f${"i".repeat(300)}`)],
  ])("does not end a stream by %s", (_case, older, newer) => {
    expect(meeting([{}, older], [{}, newer])).toBe(false);
  });

  test("that is no stream ends none by its text, nor is it ended", () => {
    expect(meeting([{}, gap("def f")], [{ isStream: false }, gap("def fi")])).toBe(false);
    expect(meeting([{ isStream: false }, gap("def f")], [{}, gap("def fi")])).toBe(false);
  });

  test.each([
    ["document", { document: "a.py" }, gap("x")],
    ["user", { user: "u" }, gap("x")],
    ["prefix", {}, gap("one two")],
  ] as const)("ends nothing by a rule that is off: %s", (rule, typist, newer) => {
    const without = { ...ALL, [rule]: false };

    expect(meeting([typist, gap("one")], [typist, newer], ALL)).toBe(true);
    expect(meeting([typist, gap("one")], [typist, newer], without)).toBe(false);
  });
});

test("several choices or prompts are wanted all", () => {
  const running = new RunningRequests(ALL);
  const typist = { owner: "key", document: "a.py", isStream: true };

  expect(running.candidate(typist, [gap("one", "}", { choices: 2 })])).toBeUndefined();
  expect(running.candidate(typist, [gap("one"), gap("other")])).toBeUndefined();
});

test("a request that has ended meets nobody", () => {
  const running = new RunningRequests(ALL);
  const typist = { owner: "key", document: "a.py", isStream: true };
  const [older, newer] = [running.candidate(typist, [gap("one")]), running.candidate(typist, [gap("other")])];
  if (older === undefined || newer === undefined) throw new Error("both name a document");
  running.begin(older);
  running.end(older);

  running.begin(newer);

  expect(older.isSuperseded).toBe(false);
  expect(running.olderThan(newer)).toEqual([]);
});

test("a request that asks a second engine takes no newer one's place", () => {
  const running = new RunningRequests(ALL);
  const typist = { owner: "key", document: "a.py", isStream: true };
  const [older, newer] = [running.candidate(typist, [gap("one")]), running.candidate(typist, [gap("other")])];
  if (older === undefined || newer === undefined) throw new Error("both name a document");
  running.begin(older);
  running.begin(newer);

  running.begin(older);

  expect([older.isSuperseded, newer.isSuperseded]).toEqual([true, false]);
});

test("a request that was admitted behind a newer one does not end it, and is ended itself", () => {
  const running = new RunningRequests(ALL);
  const enter = (): RunningRequest | undefined =>
    running.candidate({ owner: "key", isStream: true, document: "a.py" }, [gap("one")]);
  const [older, newer] = [enter(), enter()];

  for (const each of [newer, older]) if (each !== undefined) running.begin(each);

  expect([older?.isSuperseded, newer?.isSuperseded]).toEqual([true, false]);
});
