import type { EchoPart } from "../../../continuation/output.ts";
import type { NativeModel } from "../native/model.ts";
import { scored } from "./sampler.ts";

/** Log probabilities of a prompt's own tokens, slice by slice. The first token has none. */
export class PromptScorer {
  readonly tokens: EchoPart["tokens"][number][] = [];
  readonly #model: NativeModel;
  readonly #prompt: readonly number[];
  readonly #alternatives: number;

  constructor(model: NativeModel, prompt: readonly number[], alternatives: number) {
    this.#model = model;
    this.#prompt = prompt;
    this.#alternatives = alternatives;
    const [first] = prompt;
    if (first !== undefined) this.tokens.push({ ...this.#shown(first), logprob: null });
  }

  /** Takes the rows from `start` to `end`, each of which scores the token after it. True when the prompt is complete. */
  take(start: number, end: number, logits: (position: number) => Float32Array): boolean {
    for (let position = start; position < end; position += 1) {
      const next = this.#prompt[position + 1];
      if (next !== undefined) this.tokens.push(this.#scored(next, logits(position)));
    }
    return end >= this.#prompt.length;
  }

  #scored(id: number, logits: Float32Array): EchoPart["tokens"][number] {
    const row = scored(logits, this.#alternatives);
    const top = row.top.map((each) => ({ ...this.#shown(each.id), logprob: each.logprob }));
    return { ...this.#shown(id), logprob: row.logprob(id), top };
  }

  /** Control tokens of a prompt are written in it. */
  #shown(id: number): { readonly bytes: readonly number[] } {
    return { bytes: [...this.#model.spelling(id)] };
  }
}
