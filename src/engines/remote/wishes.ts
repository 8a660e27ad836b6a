import type { ContinuationRequest, Sampling } from "../../continuation/request.ts";
import { ServiceError } from "../../errors.ts";

type Numeric = Exclude<keyof Sampling, "logitBias">;

/** How an engine spells sampling settings. A setting without a spelling is ignored there. */
export type Spellings = Partial<Readonly<Record<Numeric, string>>>;

/** OpenAI's own. */
export const SEEDLESS_SPELLINGS: Spellings = {
  temperature: "temperature",
  topP: "top_p",
  presencePenalty: "presence_penalty",
  frequencyPenalty: "frequency_penalty",
};

export const OPENAI_SPELLINGS: Spellings = { ...SEEDLESS_SPELLINGS, seed: "seed" };

/** What many engines take besides. */
export const COMMON_SPELLINGS: Spellings = {
  topK: "top_k",
  minP: "min_p",
  repetitionPenalty: "repetition_penalty",
};

export interface Wishes {
  readonly fields: Readonly<Record<string, number>>;
  readonly logitBias?: ReadonlyMap<number, number>;
  /** Settings of the caller that the engine does not have. */
  readonly ignored: readonly string[];
}

/** What caller and operator set, as the engine spells it. What we or the weights would choose is none of its business. */
export function wishesOf({ sampling, defaults }: ContinuationRequest, spellings: Spellings): Wishes {
  const { logitBias, ...wished } = { ...defaults?.operator, ...sampling };
  const fields: Record<string, number> = {};
  const ignored: string[] = [];
  for (const [setting, value] of Object.entries(wished) as [Numeric, number | undefined][]) {
    const name = spellings[setting];
    if (value === undefined) continue;
    if (name !== undefined) fields[name] = value;
    else if (sampling[setting] !== undefined) ignored.push(setting);
  }
  return { fields, ...(logitBias !== undefined && logitBias.size > 0 && { logitBias }), ignored };
}

/** Settings for engines of our own kind. */
export function switchesIgnored({ tokenHealing, speculation, gapEnd, input }: ContinuationRequest): readonly string[] {
  return [
    ...(tokenHealing === true ? ["tokenHealing"] : []),
    ...(speculation === true ? ["speculation"] : []),
    ...(gapEnd === true && input.kind !== "infill" ? ["gapEnd"] : []),
  ];
}

/** What an engine cannot do although the answer would mean something else without it. */
export function cannot(what: string, param: string): ServiceError {
  return new ServiceError(
    "unsupported_input",
    `the engine behind this model has no ${what}; leave it out or choose another model`,
    {
      param,
    },
  );
}

/** A shape describes the whole answer, and engines elsewhere begin with it at the first token that is new. */
export function refuseShapeBehindPrefix({ shape, input }: ContinuationRequest): void {
  if (shape === undefined || input.kind !== "chat" || (input.assistantPrefix ?? "") === "") return;
  throw cannot("way to let an answer's shape begin within an assistant prefix", "response_format");
}

/** Stop strings that an engine which cuts at the first one found would cut at as we do: none that never comes first. */
export function stopsToPass(stops: readonly string[], most: number): readonly string[] {
  const passed = stops.filter((stop) => !stops.some((other) => other !== stop && stop.slice(0, -1).includes(other)));
  return [...new Set(passed)].slice(0, most);
}
