/** How a case is asked of a completions server. */
import { type InfillCase, isWithinLine } from "./infill-case.ts";

/** Fill-in-the-middle by Qwen's markers in the prompt, by the `suffix` field, or no filling in: the suffix is left out. */
export const STYLES = ["prompt", "suffix", "raw"] as const;
export type Style = (typeof STYLES)[number];

/** Prefix or suffix first; of markers in the prompt only. */
export const ORDERS = ["psm", "spm"] as const;
export type Order = (typeof ORDERS)[number];

export interface Setting {
  readonly style: Style;
  readonly order: Order;
  /** Token healing (an extension of Continuo); absent: not said, the model's default. */
  readonly healing: boolean | undefined;
  readonly maxTokens: number;
}

/** Body of a completions request, greedy; without `model` and what has to do with streams. */
export function completionBody(infill: InfillCase, setting: Setting): Readonly<Record<string, unknown>> {
  const { style, maxTokens, healing } = setting;
  // Of a raw answer to a span, no more than the span's characters count (`score.ts`), and no token has less than one.
  const isCut = style === "raw" && infill.kind === "random-span";
  return {
    ...textOf(infill, setting),
    max_tokens: isCut ? Math.min(maxTokens, infill.middle.length) : maxTokens,
    temperature: 0,
    ...(healing === undefined ? {} : { token_healing: healing }),
  };
}

function textOf(infill: InfillCase, { style, order }: Setting): Readonly<Record<string, unknown>> {
  const { prefix, suffix } = infill;
  if (style === "suffix") return { prompt: prefix, suffix };
  if (style === "raw") return { prompt: prefix, ...(isWithinLine(infill) ? { stop: ["\n"] } : {}) };
  const parts = {
    psm: `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}`,
    spm: `<|fim_suffix|>${suffix}<|fim_prefix|>${prefix}`,
  };
  return { prompt: `${parts[order]}<|fim_middle|>` };
}
