import { StopMatcher } from "../stop.ts";
import { isBlank } from "./code-text.ts";
import { Fence } from "./fence.ts";
import type { GapStage, Verdict } from "./gap-stage.ts";
import { SuffixEcho } from "./suffix-echo.ts";

/** Why an answer ended where its weights did not end it. */
export type GapRule = "suffix" | "fence" | "marker";

/** What stands around a gap. Plain data: it crosses process boundaries. */
export interface Gap {
  /** The text next to the gap, as much of it as tells where the gap ends. */
  readonly before: string;
  readonly suffix: string;
  /** What the whole text has somewhere, so that an answer may have it too: fences, and control tokens that it spells. */
  readonly hasFences: boolean;
  readonly spelled: readonly string[];
}

/** As much of the text on each side of a gap as tells where it ends. UTF-16 units. */
const WINDOW = 4096;

/** Control tokens that a model may spell as text; no source file has them unless it is about them. */
const MARKERS = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  "<|fim_prefix|>",
  "<|fim_middle|>",
  "<|fim_suffix|>",
  "<|fim_pad|>",
  "<|repo_name|>",
  "<|file_sep|>",
  "<|file_separator|>",
  "<|end_of_text|>",
  "<|eot_id|>",
  "<fim_prefix>",
  "<fim_middle>",
  "<fim_suffix>",
  "<fim_pad>",
  "<file_sep>",
  "<\uFF5Cfim\u2581begin\uFF5C>",
  "<\uFF5Cfim\u2581hole\uFF5C>",
  "<\uFF5Cfim\u2581end\uFF5C>",
];

const SPELLED = new RegExp(MARKERS.map((marker) => marker.replaceAll("|", "\\|")).join("|"), "g");

/** The gap between two whole texts. */
export function gapBetween(before: string, suffix: string): Gap {
  return {
    before: before.slice(-WINDOW),
    suffix: suffix.slice(0, WINDOW),
    hasFences: before.includes("```") || suffix.includes("```"),
    spelled: [...new Set([before, suffix].flatMap((text) => text.match(SPELLED) ?? []))],
  };
}

/**
 * Ends an answer that runs past its gap: before it repeats the suffix, closes a code block that nobody opened, or spells a
 * control token. What may still turn out to be one of these is held back and comes out when it is not.
 */
export class GapEnd {
  /** In the order that text passes them. */
  readonly #stages: readonly { readonly rule: GapRule; readonly stage: GapStage }[];

  constructor({ before, suffix, hasFences, spelled }: Gap) {
    this.#stages = [
      { rule: "marker", stage: new Markers(MARKERS.filter((marker) => !spelled.includes(marker))) },
      ...(hasFences ? [] : [{ rule: "fence" as const, stage: new Fence(before) }]),
      ...(isBlank(suffix)
        ? []
        : [{ rule: "suffix" as const, stage: new SuffixEcho(before, suffix, suffix.length >= WINDOW) }]),
    ];
  }

  /** Text of the answer, and the rule that ended it. After a rule, do not push again. */
  push(piece: string): { readonly text: string; readonly rule?: GapRule } {
    return this.#pass(0, piece);
  }

  /** The rest; call once when nothing more will come. @param isWhole see `GapStage.end`. */
  end(isWhole: boolean): { readonly text: string; readonly rule?: GapRule } {
    return this.#finish(0, isWhole);
  }

  #pass(index: number, piece: string): { readonly text: string; readonly rule?: GapRule } {
    const entry = this.#stages[index];
    if (entry === undefined) return { text: piece };
    const { text, found } = entry.stage.push(piece);
    return found ? this.#foundBy(entry.rule, index, text) : this.#pass(index + 1, text);
  }

  #finish(index: number, isWhole: boolean): { readonly text: string; readonly rule?: GapRule } {
    const entry = this.#stages[index];
    if (entry === undefined) return { text: "" };
    const { text, found } = entry.stage.end(isWhole);
    if (found) return this.#foundBy(entry.rule, index, text);
    const passed = this.#pass(index + 1, text);
    if (passed.rule !== undefined) return passed;
    const rest = this.#finish(index + 1, isWhole);
    return { ...rest, text: passed.text + rest.text };
  }

  /** What comes before the end that one rule found may hold that of a later one. */
  #foundBy(rule: GapRule, index: number, text: string): { readonly text: string; readonly rule: GapRule } {
    const passed = this.#pass(index + 1, text);
    if (passed.rule !== undefined) return { ...passed, rule: passed.rule };
    const rest = this.#finish(index + 1, true);
    return { text: passed.text + rest.text, rule: rest.rule ?? rule };
  }
}

class Markers implements GapStage {
  readonly #matcher: StopMatcher;

  constructor(markers: readonly string[]) {
    this.#matcher = new StopMatcher(markers);
  }

  push(piece: string): Verdict {
    const { text, stopped } = this.#matcher.push(piece);
    return { text, found: stopped };
  }

  end(): Verdict {
    return { text: this.#matcher.flush(), found: false };
  }
}
