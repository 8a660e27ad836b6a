import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { DeltaPart, TokenLogprob } from "../continuation/output.ts";
import { Transcript } from "../continuation/transcript.ts";
import { ChatLogprobsPrinter, joinedLogprobs, LegacyLogprobsPrinter, spelling } from "./logprobs.ts";

const bytesOf = (text: string): number[] => [...Buffer.from(text)];
const scored = (bytes: readonly number[], logprob = -1): Omit<TokenLogprob, "top"> => ({ bytes, logprob });
const token = (bytes: readonly number[]): TokenLogprob => ({ ...scored(bytes), top: [] });

describe("the spelling of a token", () => {
  test.each([
    ["whole characters", bytesOf("你好"), "你好"],
    ["a part of a character", [0xe4, 0xbd], "bytes:\\xe4\\xbd"],
    ["one behind printable bytes", [0x20, 0xf0, 0x9f], "bytes: \\xf0\\x9f"],
    ["a backslash and a line end among such bytes", [0x5c, 0x0a, 0x80], "bytes:\\\\\\x0a\\x80"],
    ["a text that looks like it", bytesOf("bytes:é"), "bytes:bytes:\\xc3\\xa9"],
    ["the replacement character itself", bytesOf("\uFFFD"), "\uFFFD"],
    ["nothing", [], ""],
  ])("of %s", (_what, bytes, spelled) => {
    expect(spelling({ bytes })).toBe(spelled);
  });

  test("of a control token is its own", () => {
    expect(spelling({ bytes: [], control: "<|im_end|>" })).toBe("<|im_end|>");
  });

  test("tells its bytes, so that no two tokens share one", () => {
    const byte = fc.constantFrom(0x5c, 0x78, 0x61, 0x38, 0x30, 0x20, 0x0a, 0x7f, 0x80, 0xe4, 0xbd, 0xa0);
    const anyBytes = fc.oneof(
      fc.uint8Array({ maxLength: 6 }).map((bytes) => [...bytes]),
      fc.array(byte, { maxLength: 8 }),
      fc.array(byte, { maxLength: 4 }).map((rest) => [...bytesOf("bytes:"), ...rest]),
    );
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(bytesSpelled(spelling({ bytes }))).toEqual(bytes);
      }),
      { numRuns: 2000 },
    );
  });
});

/** What a reader of the documentation would write. */
function bytesSpelled(spelled: string): number[] {
  if (!spelled.startsWith("bytes:")) return bytesOf(spelled);
  const pieces = spelled.slice("bytes:".length).match(/\\x[0-9a-f]{2}|\\\\|[^\\]/g) ?? [];
  return pieces.map((piece) => {
    if (piece === "\\\\") return 0x5c;
    return piece.startsWith("\\x") ? Number.parseInt(piece.slice(2), 16) : piece.charCodeAt(0);
  });
}

describe("the legacy form", () => {
  test("text offsets point at the character in which each token begins, however bytes are cut into tokens", () => {
    const text = fc.string({ unit: "binary", minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(text, fc.array(fc.nat(3)), (given, cuts) => {
        const pieces = cut(bytesOf(given), cuts);

        const printed = new LegacyLogprobsPrinter(0).print(given, pieces.map(token));

        const starts = pieces.map((_, index) => pieces.slice(0, index).flat().length);
        expect(printed.text_offset).toEqual(starts.map((at) => characterAt(given, at)));
      }),
      { numRuns: 1000 },
    );
  });

  test("the chosen token stands beside the alternatives, and the likelier of two same tokens stays", () => {
    const top = [scored([0xe4], -0.1), scored([0xe5], -0.2), scored(bytesOf("b"), -0.3), scored([0xe4], -0.4)];
    const print = (alternatives: number): unknown =>
      new LegacyLogprobsPrinter(alternatives).print("a", [{ ...scored(bytesOf("a"), -3), top }]).top_logprobs;

    expect(print(0)).toEqual([{ a: -3 }]);
    expect(print(2)).toEqual([{ "bytes:\\xe4": -0.1, "bytes:\\xe5": -0.2, a: -3 }]);
    expect(print(4)).toEqual([{ "bytes:\\xe4": -0.1, "bytes:\\xe5": -0.2, b: -0.3, a: -3 }]);
  });

  test.each([
    ["tokens that the engine puts before it", "def f", ["<s>", "def", " f"], [0, 0, 3]],
    ["another order of its parts", "P<x>S", ["<xx>", "S", "P"], [0, 4, 5]],
    ["an end within a token", "de", ["d", "ef"], [0, 1]],
  ])("the offsets of a prompt with %s stay within it, and those of the answer go on behind it", (_what, ...given) => {
    const [prompt, tokens, offsets] = given;
    const printer = new LegacyLogprobsPrinter(0);

    const echoed = printer.prompt(
      prompt,
      tokens.map((each) => token(bytesOf(each))),
    );
    const answer = printer.print("!?", [token(bytesOf("!")), token(bytesOf("?"))]);

    expect(echoed.text_offset).toEqual(offsets);
    expect(answer.text_offset).toEqual([prompt.length, prompt.length + 1]);
  });
});

describe("an answer that ends before its tokens do", () => {
  const piece = fc.constantFrom(
    ..."a,b,c,ab,春,\u{1f600}".split(",").flatMap((text) => [bytesOf(text), ...halves(text)]),
  );
  const cases = fc.record({
    pieces: fc.array(piece, { minLength: 1, maxLength: 12 }),
    stops: fc.array(fc.constantFrom("b", "ab", "ca", "春", "a春"), { maxLength: 2 }),
    prompt: fc.constantFrom("", "p春"),
  });

  test("is reported with the tokens that its text holds, streamed as plain", () => {
    fc.assert(
      fc.property(cases, ({ pieces, stops, prompt }) => {
        const deltas = generated(pieces, stops);
        const text = deltas.map((delta) => delta.text).join("");
        const all = deltas.flatMap((delta) => delta.logprobs ?? []);

        const streamed = new LegacyLogprobsPrinter(0);
        const first = streamed.prompt(prompt, []);
        const lists = deltas.map((delta) => streamed.print(delta.text, delta.logprobs ?? []));
        const plain = new LegacyLogprobsPrinter(0);
        const whole = joinedLogprobs(plain.prompt(prompt, []), plain.print(text, all));

        expect(lists.reduce(joinedLogprobs, first)).toEqual(whole);
        const length = [...prompt, ...text].length;
        for (const offset of whole.text_offset) expect(offset).toBeLessThan(length);
        const held = Buffer.from(whole.tokens.flatMap(bytesSpelled)).toString("utf8");
        expect(held.startsWith(text) || text.includes("\uFFFD")).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("has the same tokens in the chat form", () => {
    fc.assert(
      fc.property(cases, ({ pieces, stops }) => {
        const deltas = generated(pieces, stops);
        const chat = new ChatLogprobsPrinter();
        const legacy = new LegacyLogprobsPrinter(0);

        for (const { text, logprobs = [] } of deltas) {
          const { tokens } = legacy.print(text, logprobs);
          expect(chat.print(text, logprobs).content.map((each) => each.token)).toEqual(tokens);
        }
      }),
    );
  });
});

/** The deltas of an answer with these tokens, as an engine says them. */
function generated(pieces: readonly (readonly number[])[], stops: readonly string[]): DeltaPart[] {
  const rules = { ends: new Set<number>(), stopSequences: [], stopStrings: stops, maxTokens: pieces.length };
  const transcript = new Transcript(rules);
  const deltas: DeltaPart[] = [];
  for (const [id, bytes] of pieces.entries()) {
    const step = transcript.push({ id, bytes: Uint8Array.from(bytes) });
    const logprobs = step.tokens.map((each) => token([...(each.bytes ?? [])]));
    deltas.push({ type: "delta", choice: 0, text: step.text, tokens: step.tokens.map((each) => each.id), logprobs });
    if (step.finished !== undefined) break;
  }
  return deltas;
}

/** A text of several bytes in two pieces. */
function halves(text: string): number[][] {
  const bytes = bytesOf(text);
  return bytes.length < 3 ? [] : [bytes.slice(0, 2), bytes.slice(2)];
}

/** Pieces of 1 to 4 bytes. */
function cut(all: readonly number[], cuts: readonly number[]): number[][] {
  const pieces: number[][] = [];
  for (let at = 0; at < all.length; ) {
    const size = 1 + (cuts[pieces.length] ?? 0);
    pieces.push(all.slice(at, at + size));
    at += size;
  }
  return pieces;
}

/** Index of the code point that holds the byte. */
function characterAt(text: string, byte: number): number {
  let end = 0;
  return [...text].findIndex((character) => {
    end += bytesOf(character).length;
    return byte < end;
  });
}
