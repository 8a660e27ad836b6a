import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { StopMatcher, TokenStopMatcher } from "./stop.ts";
import { type GeneratedToken, type Step, Transcript, type TranscriptRules } from "./transcript.ts";

const abc = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 6 });
const nonEmptyAbc = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 4 });

function runStops(stops: readonly string[], pieces: readonly string[]): string {
  const matcher = new StopMatcher(stops);
  let text = "";
  for (const piece of pieces) {
    const step = matcher.push(piece);
    text += step.text;
    if (step.stopped) return `${text}|`;
  }
  return text + matcher.flush();
}

describe("stop strings", () => {
  test("cutting the text differently never changes what is emitted", () => {
    fc.assert(
      fc.property(fc.array(abc), fc.array(nonEmptyAbc), (pieces, stops) => {
        expect(runStops(stops, pieces)).toBe(runStops(stops, [...pieces.join("")]));
      }),
      { numRuns: 2000 },
    );
  });

  test("a stop straddling pieces is left out with everything behind it", () => {
    expect(runStops(["\nuser:"], ["fine\nus", "er: more"])).toBe("fine|");
  });

  test("the stop completed first wins, and the longest of those completed together", () => {
    expect(runStops(["abcd", "bc"], ["xabcd"])).toBe("xa|");
    expect(runStops(["bc", "abc"], ["xabc"])).toBe("x|");
  });

  test("an undecided tail comes out at the end", () => {
    expect(runStops(["abc"], ["xab"])).toBe("xab");
  });
});

describe("stop ids", () => {
  const run = (sequences: number[][], ids: number[]): { out: number[]; stopped: boolean } => {
    const matcher = new TokenStopMatcher(sequences);
    const out: number[] = [];
    for (const id of ids) {
      const step = matcher.push({ id });
      out.push(...step.tokens.map((token) => token.id));
      if (step.stopped) return { out, stopped: true };
    }
    out.push(...matcher.flush().map((token) => token.id));
    return { out, stopped: false };
  };

  test("what comes out is the text before the first completed sequence", () => {
    const id = fc.integer({ min: 0, max: 2 });
    fc.assert(
      fc.property(fc.array(fc.array(id, { minLength: 1, maxLength: 3 })), fc.array(id), (sequences, ids) => {
        const at = (end: number): number[] | undefined =>
          sequences
            .filter(
              (each) => each.length <= end && each.every((value, index) => ids[end - each.length + index] === value),
            )
            .sort((a, b) => b.length - a.length)[0];
        const end = ids.findIndex((_, index) => at(index + 1) !== undefined) + 1;
        const matched = end === 0 ? undefined : at(end);

        const expected = matched === undefined ? ids : ids.slice(0, end - matched.length);

        expect(run(sequences, ids)).toEqual({ out: expected, stopped: matched !== undefined });
      }),
      { numRuns: 2000 },
    );
  });
});

describe("transcript", () => {
  const rules = (over: Partial<TranscriptRules> = {}): TranscriptRules => ({
    ends: new Set([0]),
    stopSequences: [],
    stopStrings: [],
    maxTokens: 1000,
    ...over,
  });

  const tell = (over: Partial<TranscriptRules>, tokens: readonly GeneratedToken[]) => {
    const transcript = new Transcript(rules(over));
    let text = "";
    const seen: number[] = [];
    let last: Step | undefined;
    for (const token of tokens) {
      last = transcript.push(token);
      text += last.text;
      seen.push(...last.tokens.map((each) => each.id));
      if (last.finished !== undefined) break;
    }
    if (last?.finished === undefined) {
      last = transcript.end("length");
      text += last.text;
      seen.push(...last.tokens.map((each) => each.id));
    }
    return { text, seen, finished: last.finished, completionTokens: transcript.completionTokens };
  };

  const cutBytes = (text: string, cuts: readonly number[]): GeneratedToken[] => {
    const bytes = new TextEncoder().encode(text);
    const places = [...new Set(cuts.map((cut) => (bytes.length === 0 ? 0 : cut % bytes.length)))].sort((a, b) => a - b);
    return [...places, bytes.length].map((end, index, all) => ({
      id: index + 1,
      bytes: bytes.subarray(index === 0 ? 0 : all[index - 1], end),
    }));
  };

  test("stops count only behind the tokens that must come, as if the text began there", () => {
    const letter = fc.constantFrom("a", "b", "c");
    const stop = fc.string({ unit: letter, minLength: 1, maxLength: 3 });
    const ids = fc.array(fc.integer({ min: 97, max: 99 }), { minLength: 1, maxLength: 2 });
    fc.assert(
      fc.property(
        fc.array(letter, { maxLength: 12 }),
        fc.nat(14),
        fc.array(stop, { maxLength: 2 }),
        fc.array(ids, { maxLength: 2 }),
        (letters, minTokens, stopStrings, stopSequences) => {
          const tokens = letters.map((text): GeneratedToken => {
            const bytes = new TextEncoder().encode(text);
            return { id: bytes[0] ?? 0, bytes };
          });

          const held = tell({ minTokens, stopStrings, stopSequences }, tokens);
          const rest = tell({ stopStrings, stopSequences }, tokens.slice(minTokens));

          expect(held.text).toBe(letters.slice(0, minTokens).join("") + rest.text);
          expect(held.finished).toBe(rest.finished);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("any cutting of the bytes into tokens gives the same text, in whole characters", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.array(fc.nat()),
        fc.array(fc.string({ minLength: 1, maxLength: 2 })),
        (text, cuts, stopStrings) => {
          const whole = tell({ stopStrings }, cutBytes(text, []));
          const parts = tell({ stopStrings }, cutBytes(text, cuts));

          expect(parts.text).toBe(whole.text);
          expect(parts.finished).toBe(whole.finished);
          expect(text.startsWith(parts.text)).toBe(true);
        },
      ),
      { numRuns: 10_000 },
    );
  });

  test("every step shows whole characters only", () => {
    const transcript = new Transcript(rules());
    const texts = cutBytes("你好🙂", [1, 2, 4, 5, 7, 8, 9]).map((token) => transcript.push(token).text);

    expect(texts.join("")).toBe("你好🙂");
    for (const text of texts) expect(Buffer.from(text).toString()).toBe(text);
  });

  test("the token limit counts tokens and drops an unfinished character", () => {
    const [a, b] = cutBytes("a你", [2]);
    expect(
      tell(
        { maxTokens: 1 },
        [a, b].filter((each) => each !== undefined),
      ),
    ).toEqual({
      text: "a",
      seen: [1],
      finished: "length",
      completionTokens: 1,
    });
  });

  test("an end token is neither shown nor counted", () => {
    const end: GeneratedToken = { id: 0, bytes: new TextEncoder().encode("<end>") };
    expect(tell({}, [...cutBytes("ab", [1]), end])).toEqual({
      text: "ab",
      seen: [1, 2],
      finished: "stop",
      completionTokens: 2,
    });
  });

  test("the blank in the token of a stop string survives and the token counts", () => {
    const tokens = [
      { id: 1, bytes: new TextEncoder().encode("Canada") },
      { id: 2, bytes: new TextEncoder().encode(" is") },
    ];
    expect(tell({ stopStrings: ["is"] }, tokens)).toEqual({
      text: "Canada ",
      seen: [1, 2],
      finished: "stop",
      completionTokens: 2,
    });
  });

  test("a stop completed by the last allowed token is a stop", () => {
    expect(tell({ stopStrings: ["b"], maxTokens: 2 }, cutBytes("ab", [1])).finished).toBe("stop");
    expect(tell({ stopSequences: [[2]], maxTokens: 2 }, cutBytes("ab", [1]))).toEqual({
      text: "a",
      seen: [1],
      finished: "stop",
      completionTokens: 1,
    });
  });

  test("pushing the same tokens again shows the same, so an answer can move", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.array(fc.nat()),
        fc.array(fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1 })),
        (text, cuts, stopSequences) => {
          const tokens = cutBytes(text, cuts);
          expect(tell({ stopSequences }, tokens)).toEqual(tell({ stopSequences }, tokens));
          const { seen, completionTokens } = tell({ stopSequences }, tokens);
          expect(seen).toHaveLength(completionTokens);
        },
      ),
    );
  });
});
