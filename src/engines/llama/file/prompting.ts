import type { BehindMiddle } from "../../../continuation/fim.ts";

/**
 * How weights are prompted best, as far as their file says so, mostly in metadata keys of our own; absent: it does not say.
 * Plain data: it crosses the process boundary.
 */
export interface Prompting {
  /** The file calls itself a finetune for instructions or dialogues. */
  readonly isInstruct?: true;
  /** In place of the order of a built-in layout. */
  readonly fimOrder?: "psm" | "spm";
  /** How much of the prefix a built-in layout shows behind the middle marker. */
  readonly fimBehindMiddle?: BehindMiddle;
  /** End an infill where its gap ends unless a request says otherwise. */
  readonly fimGapEnd?: boolean;
  /** Token healing of infills unless a request says otherwise. */
  readonly fimHealing?: boolean;
  /** Token healing of raw texts and assistant prefixes unless a request says otherwise. */
  readonly healing?: boolean;
}

/** @param meta value of a metadata key as text, if the file has it; flags are `true` and `false`. */
export function promptingOf(meta: (key: string) => string | undefined): Prompting {
  const flag = (key: string): boolean | undefined => {
    const value = meta(key);
    return value === "true" || value === "false" ? value === "true" : undefined;
  };
  const order = meta("continuo.fim.order");
  const behind = meta("continuo.fim.behind_middle");
  const [fimHealing, healing] = [flag("continuo.fim.healing"), flag("continuo.healing")];
  const fimGapEnd = flag("continuo.fim.stop_at_suffix");
  return {
    ...(/instruct|chat/i.test(meta("general.finetune") ?? "") && { isInstruct: true }),
    ...((order === "psm" || order === "spm") && { fimOrder: order }),
    ...((behind === "line" || behind === "prefix") && { fimBehindMiddle: behind }),
    ...(fimGapEnd !== undefined && { fimGapEnd }),
    ...(fimHealing !== undefined && { fimHealing }),
    ...(healing !== undefined && { healing }),
  };
}
