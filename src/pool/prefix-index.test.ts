import { describe, expect, test } from "vitest";
import type { Continuation } from "../continuation/input.ts";
import { beginningOf } from "./beginning.ts";
import { hash } from "./policy.ts";
import { PrefixIndex } from "./prefix-index.ts";

const LINE = "const answer = 42;\n";
const text = (characters: number, end = ""): Continuation => ({
  kind: "text",
  parts: [{ text: LINE.repeat(Math.ceil(characters / LINE.length)).slice(0, characters) + end }],
});
const blocksOf = (input: Continuation) => beginningOf(input).blocks;

describe("the beginning of a prompt", () => {
  test("is its whole blocks, each of which says all before it", () => {
    const long = blocksOf(text(2_100));

    expect(long.length).toBe(4);
    expect(new Set(long).size).toBe(4);
    expect(blocksOf(text(1_100, "something else"))).toEqual(long.slice(0, 2));
  });

  test("ends somewhere", () => {
    expect(blocksOf(text(100_000)).length).toBe(64);
  });

  test("names the document: the same while it grows, another for another one", () => {
    const document = (input: Continuation) => beginningOf(input).document;

    expect(document(text(600))).toBe(document(text(5_000)));
    expect(document(text(600))).not.toBe(document({ kind: "text", parts: [{ text: "x" }] }));
  });

  test("of a gap is what stands before the cursor", () => {
    const gap = (suffix: string): Continuation => ({
      kind: "infill",
      context: [{ text: "a".repeat(500) }],
      prefix: "b".repeat(600),
      suffix,
      middle: "",
      writtenMarkers: 0,
    });

    expect(blocksOf(gap("one"))).toEqual(blocksOf(gap("two")));
    expect(blocksOf(gap("")).length).toBe(2);
  });

  test("of a dialogue is that of its turns, so that the next question begins alike", () => {
    const chat = (...contents: readonly string[]): Continuation => ({
      kind: "chat",
      messages: contents.map((content) => ({ role: "user", content: [{ text: content }] })),
    });
    const once = chat("a".repeat(700));

    expect(blocksOf(chat("a".repeat(700), "b".repeat(700))).slice(0, 1)).toEqual(blocksOf(once));
    expect(blocksOf({ ...once, assistantPrefix: "b".repeat(700) } as Continuation)).toEqual(blocksOf(once));
  });

  test("of ids is told too", () => {
    const tokens = Array.from({ length: 300 }, (_, index) => index);

    expect(blocksOf({ kind: "tokens", tokens }).length).toBe(2);
  });
});

describe("who saw a prompt lately", () => {
  test("is known for as much of it as anybody saw", () => {
    const index = new PrefixIndex(2);
    index.saw(1, [11, 12, 13, 14]);
    index.saw(2, [11, 12]);

    expect(index.seen([11, 12, 13, 19])).toEqual(
      new Map([
        [1, 3],
        [2, 2],
      ]),
    );
    expect(index.seen([19, 11])).toEqual(new Map());
  });

  test("is known of the last four that saw a block", () => {
    const index = new PrefixIndex(2);
    for (const replica of [1, 2, 3, 4, 1, 5]) index.saw(replica, [11]);

    expect([...index.seen([11]).keys()].sort()).toEqual([1, 3, 4, 5]);
  });

  test("is forgotten, the least used first, and takes no more memory however much was seen", () => {
    const index = new PrefixIndex(1);
    const many = Array.from({ length: 300_000 }, (_, number) => hash(`block ${number}`));
    for (const [at, block] of many.entries()) {
      index.saw(1, [block]);
      if (at % 1_000 === 0) index.saw(2, [many[0] ?? 0]); // used all the time
    }
    const known = many.filter((block) => index.seen([block]).size > 0);

    expect(known.length).toBe(65_536);
    expect(index.seen(many.slice(0, 1))).toEqual(new Map([[2, 1]]));
    expect(many.slice(-10_000).filter((block) => index.seen([block]).size === 0)).toEqual([]);
  });
});
