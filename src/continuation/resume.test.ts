import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Continuation, Infill, PromptPart } from "./input.ts";
import type { FinishReason } from "./output.ts";
import type { ContinuationRequest, Limits } from "./request.ts";
import { resumed, type Sent } from "./resume.ts";
import { Transcript } from "./transcript.ts";

const LIMITS: Limits = { stopStrings: [], stopSequences: [], maxInputTokens: 100, truncate: true };
const TEXT = { kind: "text", parts: [{ text: "Once " }] } as const;
const TOKENS = { kind: "tokens", tokens: [79, 110] } as const;
const GAP: Infill = { kind: "infill", context: [], prefix: "f(", suffix: ")", middle: "a", writtenMarkers: 3 };
const CHAT = { kind: "chat", messages: [{ role: "user", content: [{ text: "hi" }] }] } as const;

function request(over: Partial<ContinuationRequest> = {}): ContinuationRequest {
  return { model: "m", input: TEXT, sampling: {}, limits: LIMITS, choices: 1, promptLogprobs: false, ...over };
}

/** As an engine says it whose tokens are code points. */
function sent(text: string, over: Partial<Sent> = {}): Sent {
  const tokens = [...text].map((character) => character.codePointAt(0) ?? 0);
  return { text, tokenCount: tokens.length, tokens, truncatedTokens: 0, ...over };
}

describe("what was sent", () => {
  test.each<[string, Continuation, Continuation]>([
    ["the end of a text", TEXT, { kind: "text", parts: [{ text: "Once " }, { text: "upon" }] }],
    ["the answer to ids", TOKENS, { ...TOKENS, answer: "upon" }],
    ["a longer answer to ids", { ...TOKENS, answer: "once " }, { ...TOKENS, answer: "once upon" }],
    ["the middle of a gap", GAP, { ...GAP, middle: "aupon" }],
    ["an assistant prefix", CHAT, { ...CHAT, assistantPrefix: "upon" }],
    ["a longer assistant prefix", { ...CHAT, assistantPrefix: "Once " }, { ...CHAT, assistantPrefix: "Once upon" }],
  ])("becomes %s", (_, input, longer) => {
    expect(resumed(request({ input }), sent("upon"))?.input).toEqual(longer);
  });

  test("is nothing: the request is the same", () => {
    const asked = request({ accepted: true, promptLogprobs: true, sampling: { seed: 7 } });

    expect(resumed(asked, sent(""))).toBe(asked);
  });
});

describe("a request goes on", () => {
  test("with what is left of its limits, and room for what it has become", () => {
    const limits = { ...LIMITS, maxTokens: 10, minTokens: 6, ignoreEnds: true };

    expect(resumed(request({ limits }), sent("upon"))?.limits).toEqual({
      ...{ stopStrings: [], stopSequences: [], ignoreEnds: true },
      ...{ maxTokens: 6, minTokens: 2, maxInputTokens: 104, truncate: false },
    });
    expect(resumed(request({ limits }), sent("upon a time"))?.limits).toMatchObject({ maxTokens: 0 });
    expect(resumed(request({ limits }), sent("upon a"))?.limits).not.toHaveProperty("minTokens");
    expect(resumed(request(), sent("upon"))?.limits).not.toHaveProperty("maxTokens");
  });

  test("with another seed that depends on nothing else, and with none where there was none", () => {
    const seedOf = (seed: number, text: string) => resumed(request({ sampling: { seed } }), sent(text))?.sampling.seed;

    expect([seedOf(7, "upon"), seedOf(7, "up"), seedOf(-7, "up")]).toEqual([11, 9, 9]);
    expect(resumed(request({ sampling: { topK: 3 } }), sent("upon"))?.sampling).toEqual({ topK: 3 });
  });

  test("without scores of the prompt, which have been told, and as one that nobody has accepted", () => {
    const asked = request({ promptLogprobs: true, logprobs: 2, accepted: true, callId: "c" });
    const next = resumed(asked, sent("upon"));

    expect(next).toMatchObject({ promptLogprobs: false, logprobs: 2, callId: "c" });
    expect(next).not.toHaveProperty("accepted");
  });

  test("with its answer marked, so that its tokens stay what they were, and without healing of its end", () => {
    const { tokens: _, ...asText } = sent("upon");

    expect(resumed(request(), sent("upon"))).toMatchObject({
      tokenHealing: false,
      answered: { units: 4, tokens: [117, 112, 111, 110] },
    });
    expect(resumed(request(), sent("upon"))?.answered).not.toHaveProperty("tokenHealing");
    expect(resumed(request({ tokenHealing: true }), asText)?.answered).toEqual({ units: 4, tokenHealing: true });
  });

  test("in its shape, where that describes the assistant prefix too", () => {
    const shape = { gbnf: "root ::= [a-z]+" };

    expect(resumed(request({ input: CHAT, shape }), sent("upon"))?.shape).toBe(shape);
  });
});

test.each<[string, Partial<ContinuationRequest>, Sent]>([
  ["several choices", { choices: 2 }, sent("upon")],
  ["a shape that begins with the answer to a text", { shape: { gbnf: "root ::= [a-z]+" } }, sent("upon")],
  ["a shape in a gap", { input: GAP, shape: { schema: {}, path: "schema" } }, sent("upon")],
  ["a prompt that was cut", {}, sent("upon", { truncatedTokens: 1 })],
  ["a shape of the answer to ids", { input: TOKENS, shape: { gbnf: "root ::= [a-z]+" } }, sent("upon")],
])("%s cannot go on", (_, over, said) => {
  expect(resumed(request(over), said)).toBeUndefined();
});

/** What weights write that know one text by heart, wherever the prompt leaves off; and why it ends. */
interface Answer {
  /** As they come. */
  readonly texts: readonly string[];
  readonly reason: FinishReason;
}

const END = -1;

function answerTo({ input, limits }: ContinuationRequest, whole: string): Answer {
  const { stopStrings, stopSequences, minTokens = 0, maxTokens } = limits;
  if (maxTokens === 0) return { texts: [], reason: "length" };
  const ends = new Set([END]);
  const transcript = new Transcript({ ends, stopStrings, stopSequences, minTokens, maxTokens: maxTokens ?? 1_000 });
  const texts: string[] = [];
  for (const character of [...whole].slice(lengthOf(input))) {
    const token = { id: character.codePointAt(0) ?? 0, bytes: Buffer.from(character) };
    const { text, finished } = transcript.push(token);
    if (text !== "") texts.push(text);
    if (finished !== undefined) return { texts, reason: finished };
  }
  const { text, finished = "stop" } = transcript.push({ id: END, bytes: new Uint8Array() });
  return { texts: text === "" ? texts : [...texts, text], reason: finished };
}

/** Code points of the answer that the input has already. */
function lengthOf(input: Continuation): number {
  if (input.kind === "tokens") return [...(input.answer ?? "")].length;
  if (input.kind === "text") return [...textOf(input.parts)].length - textOf(TEXT.parts).length;
  if (input.kind === "infill") return [...input.middle].length - GAP.middle.length;
  return [...(input.assistantPrefix ?? "")].length;
}

function textOf(parts: readonly PromptPart[]): string {
  return parts.map((part) => ("text" in part ? part.text : part.control)).join("");
}

const letters = fc.constantFrom("a", "b", "é", "😀");
const scene = fc.record({
  whole: fc.array(letters, { maxLength: 24 }).map((each) => each.join("")),
  input: fc.constantFrom<Continuation>(TEXT, TOKENS, GAP, CHAT),
  limits: fc.record(
    {
      maxTokens: fc.integer({ min: 1, max: 24 }),
      stopStrings: fc.array(
        fc.array(letters, { minLength: 1, maxLength: 4 }).map((each) => each.join("")),
        { maxLength: 2 },
      ),
      stopSequences: fc.array(fc.array(fc.constantFrom(97, 98), { minLength: 1, maxLength: 3 }), { maxLength: 1 }),
    },
    { requiredKeys: ["stopStrings", "stopSequences"] },
  ),
  cuts: fc.array(fc.nat(30), { minLength: 1, maxLength: 4 }),
});

test("an answer that is cut and goes on, however often, is the answer that nobody cut", () => {
  let hops = 0;
  fc.assert(
    fc.property(scene, ({ whole, input, limits, cuts }) => {
      const asked = request({ input, limits: { ...LIMITS, ...limits } });
      const undisturbed = answerTo(asked, whole);
      let current = asked;
      let text = "";
      for (const cut of cuts) {
        const said = answerTo(current, whole).texts.slice(0, cut).join("");
        const next = resumed(current, sent(said));
        expect(next).toBeDefined();
        if (next !== current) hops += 1;
        current = next ?? current;
        text += said;
      }
      const last = answerTo(current, whole);

      expect(text + last.texts.join("")).toBe(undisturbed.texts.join(""));
      expect(last.reason).toBe(undisturbed.reason);
    }),
    { numRuns: 2_000 },
  );
  expect(hops).toBeGreaterThan(500);
});
