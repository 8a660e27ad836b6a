import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Pieces } from "../file/pieces.ts";
import { Characters } from "./characters.ts";

const CHUN = Buffer.from("春"); // E6 98 A5
const CAFE = Buffer.from("é"); // C3 A9
const END = 0;
/** An end, letters, parts of characters, a token across two, and bytes that no text has. */
const VOCABULARY = [
  ...["", "a", " b", "春", "\uFFFD"].map((text) => Buffer.from(text)),
  ...[CHUN.subarray(0, 1), CHUN.subarray(0, 2), CHUN.subarray(1), CHUN.subarray(2), CHUN.subarray(1, 2)],
  ...[CAFE.subarray(0, 1), Buffer.concat([CAFE.subarray(1), CHUN.subarray(0, 1)])],
  ...[Buffer.from([0xff]), Buffer.from([0x61, 0xa9])],
];
const piecesOf = (vocabulary: readonly Uint8Array[]): Pieces =>
  new Pieces(vocabulary.length, (id) => vocabulary[id] ?? new Uint8Array());
const pieces = piecesOf(VOCABULARY);
const ALL = [...VOCABULARY.keys()];

function idOf(...bytes: readonly number[]): number {
  return VOCABULARY.findIndex((each) => each.equals(Buffer.from(bytes)));
}

function accepting(characters: Characters, ...ids: readonly number[]): Buffer {
  return Buffer.concat(ids.map((id) => characters.accept(VOCABULARY[id] ?? Buffer.alloc(0), 0)));
}

describe("while no character is open", () => {
  test("whatever begins one may come, an end and the replacement character among it", () => {
    const characters = new Characters([], pieces);

    expect(characters.candidates()).toBeUndefined();
    expect(characters.filter(ALL)).toEqual([0, 1, 2, 3, 4, 5, 6, 10]);
    expect(accepting(characters, 4).toString()).toBe("\uFFFD");
  });
});

describe("while a character is open", () => {
  test("only what continues it may come, and nothing is shown of it", () => {
    const characters = new Characters([], pieces);

    expect(accepting(characters, idOf(0xe6))).toHaveLength(0);

    const continuing = [idOf(0x98, 0xa5), idOf(0xa5), idOf(0x98)];
    expect(characters.filter(ALL)).toEqual(continuing);
    expect([...(characters.candidates() ?? [])].sort()).toEqual(continuing.sort());
    expect([characters.allows(END), characters.allows(1), characters.allows(3)]).toEqual([false, false, false]);
    expect(accepting(characters, idOf(0x98, 0xa5)).toString()).toBe("春");
    expect(characters.allows(END)).toBe(true);
  });

  test("a token may end one and begin the next", () => {
    const characters = new Characters([], pieces);

    expect(accepting(characters, idOf(0xc3), idOf(0xa9, 0xe6)).toString()).toBe("é");
    expect(characters.allows(idOf(0x98))).toBe(true);
  });

  test("one that the prompt began is completed first, and its rest is not shown", () => {
    const characters = new Characters([1, idOf(0xe6, 0x98)], pieces);

    expect(characters.filter(ALL)).toEqual([idOf(0xa5), idOf(0x98), idOf(0xa9, 0xe6)]);
    expect(accepting(characters, idOf(0xa5), 1).toString()).toBe("a");
  });

  test("one that a control token of the prompt cuts off is over", () => {
    expect(new Characters([idOf(0xe6, 0x98), END], pieces).allows(1)).toBe(true);
  });
});

test("where nothing in the vocabulary continues a character, what there is of it is never shown", () => {
  const vocabulary = [Buffer.from("a"), CHUN.subarray(0, 1)];
  const characters = new Characters([], piecesOf(vocabulary));

  expect(accepting(characters)).toHaveLength(0);
  characters.accept(CHUN.subarray(0, 1), 0);
  expect(characters.filter([0, 1])).toEqual([0, 1]);
  expect(characters.accept(Buffer.from("a"), 0)).toEqual(Uint8Array.from(Buffer.from("a")));
});

test("bytes that the caller has written open and close characters, but are not shown", () => {
  const characters = new Characters([], pieces);

  expect(characters.accept(CHUN.subarray(0, 1), 1)).toHaveLength(0);
  expect(characters.allows(1)).toBe(false);
  expect(characters.accept(Buffer.concat([CHUN.subarray(1), Buffer.from("b")]), 2)).toEqual(Uint8Array.of(0x62));
});

test("whatever allowed tokens come, and wherever it ends, what is shown is text and all of it", () => {
  fc.assert(
    fc.property(fc.array(fc.nat(), { maxLength: 30 }), (choices) => {
      const characters = new Characters([], pieces);
      const taken: Buffer[] = [];
      const shown: Uint8Array[] = [];
      for (const choice of choices) {
        const allowed = characters.filter(characters.candidates() ?? ALL);
        const bytes = VOCABULARY[allowed[choice % allowed.length] ?? -1] ?? Buffer.alloc(0);
        taken.push(bytes);
        shown.push(characters.accept(bytes, 0));
      }

      const [all, text] = [Buffer.concat(taken), Buffer.concat(shown)];
      expect(isUtf8(text)).toBe(true);
      expect(all.subarray(0, text.length)).toEqual(text);
      expect(new TextDecoder("utf-8", { ignoreBOM: true }).decode(all, { stream: true })).toBe(text.toString());
    }),
    { numRuns: 1_000 },
  );
});
