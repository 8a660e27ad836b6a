import type { LocalModel } from "../../../continuation/engine.ts";
import { chosenFim, FIM_LAYOUTS, type FimChoice, type FimLayout, fimMarkers } from "../../../continuation/fim.ts";
import { CONTROL_TOKENS } from "../../../continuation/input.ts";
import { canChat, type Weights } from "../../../continuation/lower.ts";
import type { Prompting } from "../file/prompting.ts";
import type { ReadyMessage } from "../wire/messages.ts";
import type { ModelFacts } from "../wire/model-facts.ts";
import { inMebibytes } from "./memory.ts";

/** Loaded weights, as rendering, routing and people need to know them. */
export interface LoadedWeights {
  readonly model: LocalModel;
  readonly weights: Weights;
  /** Ids that end every text: all of Qwen's nine control tokens, the layout's markers, the vocabulary's own ends. */
  readonly ends: readonly number[];
  /** One line for people. */
  readonly summary: string;
}

export type WeightsOptions = FimChoice;

/** The part of a file's facts, or of its header's, that tells what can be asked of the weights. */
type Abilities = Pick<ModelFacts, "vocabularySize" | "controls" | "chatTemplate" | "sampling">;

/**
 * What routing has to know. Throws `model_unavailable` when the configuration asks for a layout that is unknown or that
 * the vocabulary lacks.
 */
export function engineModelOf(options: WeightsOptions, facts: Abilities, slotTokens: number): LocalModel {
  const controls = new Set(Object.keys(facts.controls));
  const fim = chosenFim(options, controls);
  const { chatTemplate } = facts;
  return {
    id: options.name,
    contextTokens: slotTokens,
    ...(fim !== undefined && { fim: fim.family }),
    chat: canChat({ controls, ...(chatTemplate !== undefined && { chatTemplate }) }),
    vocabularySize: facts.vocabularySize,
    defaults: facts.sampling,
  };
}

/** Throws `model_unavailable` as `engineModelOf` does. */
export function describeWeights(
  options: WeightsOptions,
  { facts, slots, slotTokens, threads, runsOn }: ReadyMessage,
): LoadedWeights {
  const model = engineModelOf(options, facts, slotTokens);
  const controls = new Set(Object.keys(facts.controls));
  const { prompting } = facts;
  const fim = asTrained(chosenFim(options, controls), prompting);
  const weights: Weights = {
    id: options.name,
    controls,
    templateTokens: { bos: facts.bos?.text ?? "", eos: facts.eos ?? "" },
    ...(fim !== undefined && { fim }),
    ...(facts.bos?.add === true && { bos: facts.bos.text }),
    ...(facts.chatTemplate !== undefined && { chatTemplate: facts.chatTemplate }),
    ...(prompting.healing !== undefined && { healing: prompting.healing }),
  };
  const spelt = [...CONTROL_TOKENS, ...(fim === undefined ? [] : fimMarkers(fim))];
  const ends = new Set([...facts.ends, ...spelt.flatMap((spelling) => facts.controls[spelling] ?? [])]);
  const can = [
    `fill-in-the-middle: ${fim === undefined ? "no" : `${fim.family} (${inWords(fim)})`}`,
    `chat: ${model.chat ? "yes" : "no"}`,
  ].join(", ");
  const cache = slots * slotTokens * facts.cacheBytesPerToken;
  return {
    model,
    weights,
    ends: [...ends],
    summary: `${facts.description}, ${can}; ${slots} slots of ${slotTokens} tokens, weights ${inMebibytes(facts.weightBytes)}, cache ${inMebibytes(cache)}, ${threads} threads on ${runsOn}`,
  };
}

function inWords({ order, behindMiddle }: FimLayout): string {
  return behindMiddle === undefined ? order : `${order}, ${behindMiddle} behind the middle marker`;
}

/** A built-in layout is that of a family, of which these weights may be an exception; one of the operator's stays as it is. */
function asTrained(
  layout: FimLayout | undefined,
  { isInstruct, fimOrder, fimBehindMiddle, fimGapEnd, fimHealing }: Prompting,
): FimLayout | undefined {
  if (layout === undefined || !FIM_LAYOUTS.includes(layout)) return layout;
  const { instructEndBias } = layout;
  return {
    ...layout,
    ...(isInstruct === true && instructEndBias !== undefined && { endBias: instructEndBias }),
    ...(fimOrder !== undefined && { order: fimOrder }),
    ...(fimBehindMiddle !== undefined && { behindMiddle: fimBehindMiddle }),
    ...(fimGapEnd !== undefined && { gapEnd: fimGapEnd }),
    ...(fimHealing !== undefined && { healing: fimHealing }),
  };
}
