import { describe, expect, test } from "vitest";
import { startPart } from "../../test/support/scripted-engine.ts";
import type { StartPart } from "../continuation/output.ts";
import { AnswerMemory, type Found, type MemoryOptions } from "./answer-memory.ts";

const START = startPart() as StartPart;
const OPTIONS: MemoryOptions = { bytes: 1 << 20, ageMs: 1000, now: () => 0 };

/** Answers of one word at places of one document. */
function remembering(answers: Readonly<Record<string, string>>, options: Partial<MemoryOptions> = {}): AnswerMemory {
  const memory = new AnswerMemory({ ...OPTIONS, ...options });
  for (const [text, answer] of Object.entries(answers)) say(memory, text, answer);
  return memory;
}

function say(memory: AnswerMemory, text: string, answer: string, owner = "key"): void {
  const remembered = memory.remember(owner, { text, rest: "r" }, START);
  remembered.add({ text: answer, tokenCount: 1, tokens: [1] });
  remembered.end({ type: "finish", choice: 0, reason: "stop" });
}

function at(memory: AnswerMemory, text: string, owner = "key", rest = "r"): string | undefined {
  const found: Found | undefined = memory.find(owner, { text, rest });
  return found?.answer.pieces
    .map((piece) => piece.text)
    .join("")
    .slice(found.typedUnits);
}

describe("an answer is found", () => {
  test("at its place, and wherever a beginning of it has been typed", () => {
    const memory = remembering({ "a = ": "b + c" });

    expect(["a = ", "a = b", "a = b + "].map((text) => at(memory, text))).toEqual(["b + c", " + c", "c"]);
  });

  test.each([
    ["all of it has been typed", "a = b + c"],
    ["something else has been typed", "a = c"],
    ["the text before it is another one", "z = b"],
    ["its place is not reached yet", "a ="],
  ])("not when %s", (_case, text) => {
    expect(at(remembering({ "a = ": "b + c" }), text)).toBeUndefined();
  });

  test("of several the one that was said nearest", () => {
    const memory = remembering({ "a = ": "b + c", "a = b": " * d" });

    expect(at(memory, "a = b")).toBe(" * d");
    expect(at(memory, "a = b ")).toBe("* d");
    expect(at(memory, "a = ")).toBe("b + c");
    expect(at(memory, "a = b +")).toBe(" c");
  });

  test("of two at one place the later one", () => {
    const memory = remembering({ "a = ": "b" });
    say(memory, "a = ", "c");

    expect(at(memory, "a = ")).toBe("c");
  });

  test("by nobody else, and not with another suffix", () => {
    const memory = remembering({ "a = ": "b" });

    expect(at(memory, "a = ", "other")).toBeUndefined();
    expect(at(memory, "a = ", "key", "other")).toBeUndefined();
  });
});

describe("memory is bounded", () => {
  test("by time", () => {
    const clock = { ms: 0 };
    const memory = remembering({ "a = ": "b" }, { now: () => clock.ms });

    clock.ms = 999;
    expect(at(memory, "a = ")).toBe("b");
    clock.ms = 1000;
    expect(at(memory, "a = ")).toBeUndefined();
    expect(memory.bytes).toBe(0);
  });

  test("by time also where nobody comes back", () => {
    const clock = { ms: 0 };
    const memory = remembering({ "a = ": "b" }, { now: () => clock.ms });

    clock.ms = 1000;
    expect(memory.bytes).toBe(0);
  });

  test("by bytes: what was not used for longest goes first", () => {
    const memory = remembering({ one: "1", two: "2" }, { bytes: 2000 });
    at(memory, "one");

    say(memory, "three", "3");

    expect(["one", "two", "three"].map((text) => at(memory, text))).toEqual(["1", undefined, "3"]);
    expect(memory.bytes).toBeLessThanOrEqual(2000);
  });

  test("by bytes also for one long answer, whose rest is not missed", () => {
    const memory = new AnswerMemory({ ...OPTIONS, bytes: 5000 });
    const remembered = memory.remember("key", { text: "a", rest: "r" }, START);
    for (let piece = 0; piece < 100; piece += 1) remembered.add({ text: "x".repeat(100), tokenCount: 1 });
    remembered.end({ type: "finish", choice: 0, reason: "stop" });

    expect(at(memory, "a")).toBeUndefined();
    expect(memory.bytes).toBe(0);
  });

  test("by the number of places in one document", () => {
    const memory = remembering(Object.fromEntries(Array.from({ length: 65 }, (_, line) => [`${line}: `, "x"])));

    expect([at(memory, "0: "), at(memory, "1: "), at(memory, "64: ")]).toEqual([undefined, "x", "x"]);
  });

  test("without bytes nothing is remembered", () => {
    expect(at(remembering({ a: "b" }, { bytes: 0 }), "a")).toBeUndefined();
  });
});

test("what an engine was not let say is no answer", () => {
  const memory = new AnswerMemory(OPTIONS);
  const remembered = memory.remember("key", { text: "a", rest: "r" }, START);
  remembered.add({ text: "b", tokenCount: 1 });
  remembered.end({ type: "finish", choice: 0, reason: "content_filter" });

  expect(at(memory, "a")).toBeUndefined();
});
