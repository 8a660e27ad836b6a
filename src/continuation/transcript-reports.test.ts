/** What a transcript says besides its text: which tokens it shows and when, and what ended an answer in a gap. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Gap, GapEnd, gapBetween } from "./gap/gap-end.ts";
import type { FinishReason } from "./output.ts";
import { StopMatcher } from "./stop.ts";
import { type GeneratedToken, type Step, Transcript, type TranscriptRules } from "./transcript.ts";

const END: GeneratedToken = { id: 0, bytes: new Uint8Array() };

function transcriptOf(over: Partial<TranscriptRules> = {}): Transcript {
  return new Transcript({ ends: new Set([END.id]), stopSequences: [], stopStrings: [], maxTokens: 1000, ...over });
}

/** Numbered from 1. */
function tokensOf(texts: readonly string[]): GeneratedToken[] {
  return texts.map((text, index) => ({ id: index + 1, bytes: new TextEncoder().encode(text) }));
}

const token = fc.string({ unit: fc.constantFrom("a", "b", "春"), minLength: 1, maxLength: 3 });
const stop = fc.string({ unit: fc.constantFrom("a", "b", "春"), minLength: 2, maxLength: 4 });

test("a token is reported with the first text of it that is shown, and not before", () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 10 }), fc.array(stop, { maxLength: 2 }), (texts, stopStrings) => {
      const transcript = transcriptOf({ stopStrings });
      let shown = "";
      let reported = 0;
      for (const each of tokensOf(texts)) {
        const step = transcript.push(each);
        if (step.finished !== undefined) return;
        shown += step.text;
        reported += step.tokens.length;
        const starts = texts.map((_, index) => texts.slice(0, index).join("").length);
        expect(reported).toBe(starts.filter((start) => start < shown.length).length);
      }
    }),
    { numRuns: 1000 },
  );
});

test("the last step reports every token that counts", () => {
  fc.assert(
    fc.property(fc.array(token, { maxLength: 10 }), fc.array(stop, { maxLength: 2 }), (texts, stopStrings) => {
      const transcript = transcriptOf({ stopStrings });
      const steps: Step[] = [];
      for (const each of [...tokensOf(texts), END]) {
        steps.push(transcript.push(each));
        if (steps.at(-1)?.finished !== undefined) break;
      }
      const reported = steps.flatMap((step) => step.tokens.map(({ id }) => id));

      expect(reported).toEqual(Array.from({ length: transcript.completionTokens }, (_, index) => index + 1));
    }),
    { numRuns: 1000 },
  );
});

test("a byte order mark is text", () => {
  expect(transcriptOf().push({ id: 1, bytes: Uint8Array.from([0xef, 0xbb, 0xbf, 0x61]) }).text).toBe("\uFEFFa");
});

test("an answer that ends within the beginning of a stop sequence still ends before a stop string there", () => {
  const rules = { stopSequences: [[2, 3, 4]], stopStrings: ["bc"] };
  const [a, b, c] = tokensOf(["a", "b", "c"]) as [GeneratedToken, GeneratedToken, GeneratedToken];
  const transcript = transcriptOf(rules);
  transcript.push(a);
  transcript.push(b);
  transcript.push(c);

  expect(transcript.end("length")).toMatchObject({ text: "", finished: "stop" });
  const held = transcriptOf(rules);
  expect([held.push(a).text, held.push(b).text, held.end("length").text]).toEqual(["a", "", "b"]);
});

describe("an answer in a gap", () => {
  const piece = fc.constantFrom(
    "a",
    "return a",
    "}",
    ")",
    ";",
    "\n",
    "\n  ",
    " ",
    "```",
    "\n```\n",
    "<|im_end|>",
    "<|im",
  );
  const code = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(""));
  const cases = fc.record({
    gap: fc.tuple(code, code).map(([before, suffix]) => gapBetween(before, suffix)),
    texts: fc.array(piece, { maxLength: 10 }),
    stopStrings: fc.array(fc.constantFrom("a}", ")\n", "``"), { maxLength: 1 }),
    ending: fc.constantFrom<FinishReason>("stop", "length"),
  });

  test("ends where its gap ends what its stops leave", () => {
    fc.assert(
      fc.property(cases, ({ gap, texts, stopStrings, ending }) => {
        const told = tell(transcriptOf({ stopStrings, gap }), texts, ending);

        const stops = new StopMatcher(stopStrings);
        const seen = stops.push(texts.join(""));
        const answer = seen.text + (seen.stopped ? "" : stops.flush());
        const filled = fill(gap, answer, seen.stopped || ending === "stop");
        const hasStopped = seen.stopped || filled.rule !== undefined;
        expect(told).toEqual({ ...filled, finished: hasStopped ? "stop" : ending });
      }),
      { numRuns: 3000 },
    );
  });

  test("that no rule ended names none", () => {
    const gap = gapBetween("return ", ";\n}");

    const step = transcriptOf({ gap, maxTokens: 1 }).push(tokensOf(["w * h"])[0] ?? END);

    expect(step).not.toHaveProperty("rule");
  });
});

function tell(transcript: Transcript, texts: readonly string[], ending: FinishReason) {
  let text = "";
  for (const each of tokensOf(texts)) {
    const step = transcript.push(each);
    text += step.text;
    if (step.finished !== undefined) return { text, finished: step.finished, rule: step.rule };
  }
  const last = ending === "stop" ? transcript.push(END) : transcript.end(ending);
  return { text: text + last.text, finished: last.finished, rule: last.rule };
}

function fill(gap: Gap, answer: string, isWhole: boolean) {
  const end = new GapEnd(gap);
  const first = end.push(answer);
  if (first.rule !== undefined) return { text: first.text, rule: first.rule };
  const rest = end.end(isWhole);
  return { text: first.text + rest.text, rule: rest.rule };
}
