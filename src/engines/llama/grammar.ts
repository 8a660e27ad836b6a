import koffi from "koffi";
import { ServiceError } from "../../errors.ts";
import type { LlamaApi, Pointer } from "./api.ts";

/** Deeper nesting would exhaust the native stack, whose parser is recursive. */
const MOST_NESTING = 200;

/** Where a grammar stands after the tokens it has accepted. Native memory: `free` it. */
export class Grammar {
  readonly #api: LlamaApi;
  readonly #sampler: Pointer;
  readonly #candidates: Candidates;
  readonly #barred: ReadonlySet<number>;

  /**
   * Throws `invalid_parameter` when the source is no GBNF with a rule `root`.
   *
   * @param barred tokens without text that do not end the text for this model: the library would take some for text.
   */
  constructor(api: LlamaApi, vocab: Pointer, source: string, candidates: Candidates, barred: ReadonlySet<number>) {
    // An empty source would mean "no grammar" to the library.
    const isUsable = source.trim() !== "" && nesting(source) <= MOST_NESTING;
    const sampler = isUsable ? api.samplerInitGrammar(vocab, source, "root") : null;
    if (sampler === null) {
      const text = `Invalid grammar: expected GBNF with a rule "root", nested at most ${MOST_NESTING} deep`;
      throw new ServiceError("invalid_parameter", text, { param: "grammar" });
    }
    this.#api = api;
    this.#sampler = sampler;
    this.#candidates = candidates;
    this.#barred = barred;
  }

  allows(id: number): boolean {
    return this.filter([id]).length === 1;
  }

  /** Those of the tokens that may come next. Of the whole vocabulary it takes tens of milliseconds. */
  filter(ids: ArrayLike<number> & Iterable<number>): number[] {
    const free = Array.from(ids).filter((id) => !this.#barred.has(id));
    return this.#candidates.kept(free, (array) => this.#api.samplerApply(this.#sampler, array));
  }

  /** Takes a token that it allows; any other would end the process, so it throws. */
  accept(id: number): void {
    if (!this.allows(id)) throw new RangeError(`the grammar does not allow token ${id}`);
    this.#api.samplerAccept(this.#sampler, id);
  }

  free(): void {
    this.#api.samplerFree(this.#sampler);
  }
}

/** Bytes of llama_token_data (id, logit, p) and of llama_token_data_array (data, size, selected, sorted). */
const ENTRY_WORDS = 3;
const ARRAY_BYTES = 32;

/** A llama_token_data_array for a whole vocabulary; one serves all grammars of a process. */
export class Candidates {
  readonly #array: Pointer;
  readonly #size: BigInt64Array;
  readonly #ids: Int32Array;
  readonly #logits: Float32Array;

  constructor(vocabularySize: number) {
    const bytes = vocabularySize * ENTRY_WORDS * 4;
    const data = koffi.address(koffi.alloc("uint8", bytes));
    this.#array = koffi.address(koffi.alloc("uint8", ARRAY_BYTES));
    new Uint8Array(koffi.view(this.#array, ARRAY_BYTES)).fill(0);
    new BigUint64Array(koffi.view(this.#array, 8))[0] = data;
    this.#size = new BigInt64Array(koffi.view(this.#array + 8n, 16));
    this.#ids = new Int32Array(koffi.view(data, bytes));
    this.#logits = new Float32Array(koffi.view(data, bytes));
  }

  /** Those that `apply` has not given the logit -Infinity. */
  kept(ids: readonly number[], apply: (array: Pointer) => void): number[] {
    if (ids.length === 0) return [];
    for (const [index, id] of ids.entries()) {
      this.#ids[index * ENTRY_WORDS] = id;
      this.#logits[index * ENTRY_WORDS + 1] = 0;
    }
    this.#size[0] = BigInt(ids.length);
    this.#size[1] = -1n; // nothing selected
    apply(this.#array);
    return ids.filter((_, index) => this.#logits[index * ENTRY_WORDS + 1] !== Number.NEGATIVE_INFINITY);
  }
}

/** Deepest open parentheses. Those in literals and comments count too, which only makes it stricter. */
function nesting(source: string): number {
  let depth = 0;
  let deepest = 0;
  for (const character of source) {
    if (character === "(") depth += 1;
    if (character === ")") depth = Math.max(0, depth - 1);
    deepest = Math.max(deepest, depth);
  }
  return deepest;
}
