import { expect, test } from "vitest";
import { FIM_LAYOUTS } from "../../../continuation/fim.ts";
import { gapBetween } from "../../../continuation/gap/gap-end.ts";
import type { Infill } from "../../../continuation/input.ts";
import type { Weights } from "../../../continuation/lower.ts";
import type { ContinuationRequest } from "../../../continuation/request.ts";
import { askedOf } from "./generate-message.ts";
import type { LoadedWeights } from "./weights.ts";

const [QWEN] = FIM_LAYOUTS;
if (QWEN === undefined) throw new Error("there is no layout");

const WEIGHTS: Weights = {
  id: "w",
  controls: new Set(),
  fim: { ...QWEN, endBias: 6.5 },
  templateTokens: { bos: "", eos: "" },
};
const LOADED: LoadedWeights = {
  model: { id: "w", contextTokens: 1024, fim: "qwen", chat: true, vocabularySize: 10, defaults: {} },
  weights: WEIGHTS,
  ends: [7],
  summary: "",
};
const INFILL: Infill = { kind: "infill", context: [], prefix: "a(", suffix: ")\n", middle: "", writtenMarkers: 0 };
const LIMITS = { stopStrings: [], stopSequences: [], maxInputTokens: 1000, truncate: false };

/** The request as the engine process gets it, and what had no effect. */
function asked({ limits, ...over }: Partial<Omit<ContinuationRequest, "limits">> & { limits?: object }) {
  const base = { model: "w", input: INFILL, sampling: {}, choices: 1, promptLogprobs: false };
  return askedOf(1, { ...base, ...over, limits: { ...LIMITS, ...limits } }, LOADED, {
    engine: { deterministic: false },
  });
}

test("an infill ends with its gap, unless the request says otherwise or wants tokens whatever they are", () => {
  const gap = { ...gapBetween("a(", ")\n"), endBias: 6.5 };

  expect(asked({}).message.gap).toEqual(gap);
  expect(asked({ gapEnd: false }).message.gap).toBeUndefined();
  expect(asked({ limits: { minTokens: 5 } }).message.gap).toBeUndefined();
  expect(asked({ limits: { ignoreEnds: true } }).message.gap).toBeUndefined();
  expect(asked({ limits: { minTokens: 0 } }).message.gap).toEqual(gap);
  expect(asked({ shape: { gbnf: 'root ::= "x"' } }).message.gap).toBeUndefined();
});

test("the end of a gap is asked for in vain where there is none", () => {
  const input = { kind: "text", parts: [{ text: "a(" }] } as const;

  expect(asked({ input, gapEnd: true }).ignored).toEqual(["gapEnd"]);
  expect(asked({ input }).ignored).toEqual([]);
  expect(asked({ gapEnd: true }).ignored).toEqual([]);
  expect(asked({ gapEnd: true, limits: { ignoreEnds: true } }).ignored).toEqual(["gapEnd"]);
});
