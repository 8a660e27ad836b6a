import { LRUCache } from "lru-cache";
import { FIM_LAYOUTS, type FimLayout, fimMarkers } from "../../continuation/fim.ts";
import { CONTROL_TOKENS } from "../../continuation/input.ts";
import type { LoweredPart } from "../../continuation/prompt.ts";

/** Turns text into tokens over the wire. */
export interface Tokenize {
  /** Control tokens that the text spells are text. */
  text(text: string, signal: AbortSignal): Promise<readonly number[]>;
  /** Of a spelling that is one token and no text; undefined: it is none. */
  control(spelling: string, signal: AbortSignal): Promise<number | undefined>;
  /** What ids spell. Absent: it does not tell. */
  spelled?(ids: readonly number[], signal: AbortSignal): Promise<string>;
}

/** UTF-16 units of all texts whose tokens are remembered. */
const REMEMBERED_UNITS = 1 << 20;

/** The vocabulary of weights elsewhere, as far as anybody has asked for it. */
export class Vocabulary {
  readonly #tokenize: Tokenize;
  /** Id by spelling. */
  readonly controls: ReadonlyMap<string, number>;
  /** A dialogue repeats itself at every turn. */
  readonly #known = new LRUCache<string, readonly number[]>({
    maxSize: REMEMBERED_UNITS,
    sizeCalculation: (ids, text) => text.length + ids.length + 1,
  });

  constructor(tokenize: Tokenize, controls: ReadonlyMap<string, number>) {
    this.#tokenize = tokenize;
    this.controls = controls;
  }

  async encode(part: LoweredPart, signal: AbortSignal): Promise<readonly number[]> {
    if ("tokens" in part) return part.tokens;
    if ("control" in part) {
      const id = this.controls.get(part.control);
      if (id === undefined) throw new Error(`${part.control} was rendered and is unknown`);
      return [id];
    }
    if (part.text === "") return [];
    if (part.written !== undefined && (await this.spells(part.written, part.text, signal))) return part.written;
    const known = this.#known.get(part.text);
    if (known !== undefined) return known;
    const ids = await this.#tokenize.text(part.text, signal);
    this.#known.set(part.text, ids);
    return ids;
  }

  /** False, too, where the engine does not tell. */
  async spells(ids: readonly number[], text: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#tokenize.spelled?.(ids, signal)) === text;
  }

  /** The spelling of a control token, if it is one that was asked for. */
  spelling(id: number): string | undefined {
    for (const [spelling, each] of this.controls) if (each === id) return spelling;
    return undefined;
  }

  idsOf(spellings: readonly string[]): readonly number[] {
    return spellings.flatMap((spelling) => this.controls.get(spelling) ?? []);
  }
}

/** Requests under way at the same time while a vocabulary is learned. */
const ASKED_AT_ONCE = 4;

/** Which of the spellings are control tokens, and their ids. */
export async function learnControls(
  tokenize: Pick<Tokenize, "control">,
  spellings: Iterable<string>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const waiting = [...new Set(spellings)];
  const found = new Map<string, number>();
  const ask = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const id = await tokenize.control(next, signal);
      if (id !== undefined) found.set(next, id);
    }
  };
  await Promise.all(Array.from({ length: ASKED_AT_ONCE }, ask));
  return found;
}

/** Turns and ends as the templates of common families spell them, for engines that do not show their template. */
const TURN_SPELLINGS: readonly string[] = [
  ...["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|eom_id|>"],
  ...["<start_of_turn>", "<end_of_turn>", "<bos>", "<eos>", "<s>", "</s>", "<unk>", "<pad>"],
  ...["[INST]", "[/INST]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CALLS]", "[AVAILABLE_TOOLS]"],
  ...["<|system|>", "<|user|>", "<|assistant|>", "<|tool|>", "<|observation|>", "<|end|>", "<|im_sep|>"],
  ...["<|start|>", "<|message|>", "<|channel|>", "<|return|>", "<|call|>", "<|start_of_role|>", "<|end_of_role|>"],
  ...["<｜User｜>", "<｜Assistant｜>", "<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "[gMASK]", "<sop>"],
];

/** What may be a control token: what callers may spell, what layouts use, and what a template looks like it spells. */
export function spellingsToTry(
  layouts: readonly FimLayout[],
  template = "",
  others: readonly (string | undefined)[] = [],
): readonly string[] {
  const ofLayouts = [...layouts, ...FIM_LAYOUTS].flatMap((layout) => [
    ...fimMarkers(layout),
    ...(layout.telling ?? []),
  ]);
  const inTemplate = template.match(/<[^<>\s{}'"]{1,40}>|\[\/?[A-Z_]{2,30}\]/gu) ?? [];
  return [
    ...CONTROL_TOKENS,
    ...TURN_SPELLINGS,
    ...ofLayouts,
    ...inTemplate,
    ...others.filter((each) => each !== undefined),
  ];
}

/** Ids that end every answer: all that callers may spell as control tokens, and the markers of the layout. */
export function endsOf(
  vocabulary: Vocabulary,
  fim: FimLayout | undefined,
  eos: string | undefined,
): ReadonlySet<number> {
  const spelt = [...CONTROL_TOKENS, ...(fim === undefined ? [] : fimMarkers(fim)), ...(eos === undefined ? [] : [eos])];
  return new Set(vocabulary.idsOf(spelt));
}
