import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Thought, type ThoughtAtStart, withoutThought } from "./thought.ts";
import { Transcript } from "./transcript.ts";

function part(start: ThoughtAtStart, pieces: readonly string[]): { text: string; hidden: number } {
  const thought = new Thought(start);
  const parted = [...pieces.map((piece) => thought.push(piece)), thought.end()];
  return {
    text: parted.map(({ text }) => text).join(""),
    hidden: parted.reduce((sum, { hidden }) => sum + hidden, 0),
  };
}

/** Marks, halves of them, and what stands between. */
const PIECE = fc.constantFrom("<think>", "</think>", "<", "</", "think", ">", "\n", " ", "a", "春", "😀");
const TEXT = fc.array(PIECE, { maxLength: 8 }).map((pieces) => pieces.join(""));
const START = fc.constantFrom<ThoughtAtStart>("open", "possible");
const PLACES = fc.array(fc.nat(), { maxLength: 6 });

/** The same text in other pieces, cut between characters. */
function cut(text: string, places: readonly number[]): readonly string[] {
  const characters = [...text];
  const sorted = [0, ...places.map((place) => place % (characters.length + 1)).sort((a, b) => a - b)];
  return sorted.map((from, index) => characters.slice(from, sorted[index + 1]).join(""));
}

describe("the thought before an answer", () => {
  test("what comes out does not depend on the cuts, and nothing is lost", () => {
    fc.assert(
      fc.property(START, TEXT, PLACES, (start, text, places) => {
        const whole = part(start, [text]);

        expect(part(start, cut(text, places))).toEqual(whole);
        expect(whole.hidden + whole.text.length).toBe(text.length);
        expect(text.endsWith(whole.text)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("a thought is hidden with its marks, and the line breaks behind it", () => {
    fc.assert(
      fc.property(TEXT, PLACES, (answer, places) => {
        fc.pre(!answer.startsWith("\n"));
        const thought = "<think>\nWell </thin k>\n</think>\n\n";

        expect(part("possible", cut(` \n${thought}${answer}`, places)).text).toBe(answer);
        expect(part("open", cut(`${thought.slice("<think>".length)}${answer}`, places)).text).toBe(answer);
      }),
    );
  });

  test("a text with no thought at its beginning comes out as it is", () => {
    expect(part("possible", [" a <think>b</think>"]).text).toBe(" a <think>b</think>");
    expect(part("possible", ["<thin", "g>"]).text).toBe("<thing>");
    expect(part("possible", ["<thi"]).text).toBe("<thi");
  });

  test("a thought that never ends leaves nothing", () => {
    expect(part("open", ["Let me see </thi"])).toEqual({ text: "", hidden: 16 });
  });

  test("little is held back, however long it gets", () => {
    const thought = new Thought("possible");

    expect(thought.push(" ".repeat(65)).text).toBe(" ".repeat(65));
    expect(new Thought("open").push("a".repeat(1000)).hidden).toBe(1000);
  });

  test("a finished turn is shown without it", () => {
    expect(withoutThought("<think>\nhm\n</think>\n\nYes.")).toBe("Yes.");
    expect(withoutThought("Yes.")).toBe("Yes.");
    expect(withoutThought("<think> is a tag.")).toBe("<think> is a tag.");
  });
});

describe("a transcript with a thought", () => {
  const rules = {
    ends: new Set<number>(),
    stopSequences: [],
    stopStrings: [],
    maxTokens: 1000,
    thought: "open",
  } as const;
  const tokensOf = (...pieces: string[]) => pieces.map((each, id) => ({ id, bytes: Buffer.from(each) }));

  test("its tokens count and are told apart from those of the answer", () => {
    const transcript = new Transcript({ ...rules });
    const steps = tokensOf("hm", "</thi", "nk>", "\n\n", "Yes", ".").map((token) => transcript.push(token));
    const all = [...steps, transcript.end("stop")];

    expect(all.map(({ text }) => text).join("")).toBe("Yes.");
    expect(all.flatMap(({ tokens }) => tokens.map(({ id }) => id))).toEqual([0, 1, 2, 3, 4, 5]);
    expect(all.reduce((sum, { hiddenTokens = 0 }) => sum + hiddenTokens, 0)).toBe(4);
    expect(transcript.completionTokens).toBe(6);
  });

  test("a stop string within it stops nothing", () => {
    const transcript = new Transcript({ ...rules, stopStrings: ["stop"] });
    const steps = tokensOf("a stop", "</think>", "go ", "st", "op").map((token) => transcript.push(token));

    expect(steps.map(({ text }) => text).join("")).toBe("go ");
    expect(steps.at(-1)?.finished).toBe("stop");
  });

  test("every token is told once, the hidden ones first, however the text is cut", () => {
    fc.assert(
      fc.property(TEXT, PLACES, (text, places) => {
        const transcript = new Transcript({ ...rules });
        const tokens = tokensOf(...cut(text, places));
        const steps = [...tokens.map((token) => transcript.push(token)), transcript.end("stop")];
        const shown = steps.map((step) => step.text).join("");

        expect(steps.flatMap((step) => step.tokens.map(({ id }) => id))).toEqual(tokens.map(({ id }) => id));
        expect(shown).toBe(part("open", [text]).text);
        const firstShown = steps.findIndex((step) => step.tokens.length > (step.hiddenTokens ?? 0));
        const later = firstShown < 0 ? [] : steps.slice(firstShown + 1);
        expect(later.filter(({ hiddenTokens = 0, tokens: { length } }) => hiddenTokens > 0 && length > 0)).toEqual([]);
      }),
      { numRuns: 1000 },
    );
  });
});
