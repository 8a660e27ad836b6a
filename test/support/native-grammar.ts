/** llama.cpp's own grammar sampler, to compare ours with. Not for grammars whose ways to read a text multiply: it hangs. */
import koffi from "koffi";
import type { LlamaApi, Pointer } from "../../src/engines/llama/native/api.ts";
import { loadLibraries } from "../../src/engines/llama/native/library.ts";

/** Numbers of a llama_token_data: id, logit, p. */
const ENTRY_WORDS = 3;
/** Bytes of a llama_token_data_array: data, size, selected, sorted. */
const ARRAY_BYTES = 32;

export class NativeGrammars {
  readonly #vocab: Pointer;
  readonly #size: number;
  readonly #array = Buffer.alloc(ARRAY_BYTES);
  readonly #entries: Int32Array;
  readonly #logits: Float32Array;
  readonly #functions;

  constructor(api: LlamaApi, model: Pointer) {
    this.#vocab = api.modelVocab(model);
    this.#size = api.vocabSize(this.#vocab);
    const buffer = new ArrayBuffer(this.#size * ENTRY_WORDS * 4);
    this.#entries = new Int32Array(buffer);
    this.#logits = new Float32Array(buffer);
    const { llama } = loadLibraries();
    this.#functions = {
      init: llama.func("llama_sampler_init_grammar", "void *", ["void *", "str", "str"]),
      apply: llama.func("llama_sampler_apply", "void", ["void *", "void *"]),
      accept: llama.func("llama_sampler_accept", "void", ["void *", "int32"]),
      free: llama.func("llama_sampler_free", "void", ["void *"]),
    };
  }

  /** Undefined: the library takes it for no grammar. `free` it. */
  load(source: string): NativeGrammar | undefined {
    const sampler: Pointer | null = this.#functions.init(this.#vocab, source, "root");
    if (sampler === null) return undefined;
    return {
      allowed: () => this.#allowed(sampler),
      accept: (id) => this.#functions.accept(sampler, id),
      free: () => this.#functions.free(sampler),
    };
  }

  #allowed(sampler: Pointer): ReadonlySet<number> {
    for (let id = 0; id < this.#size; id += 1) {
      this.#entries[id * ENTRY_WORDS] = id;
      this.#logits[id * ENTRY_WORDS + 1] = 0;
    }
    this.#array.writeBigUInt64LE(koffi.address(this.#entries), 0);
    this.#array.writeBigUInt64LE(BigInt(this.#size), 8);
    this.#array.writeBigInt64LE(-1n, 16);
    this.#functions.apply(sampler, this.#array);
    const ids = Array.from({ length: this.#size }, (_, id) => id);
    return new Set(ids.filter((id) => this.#logits[id * ENTRY_WORDS + 1] === 0));
  }
}

export interface NativeGrammar {
  /** Tokens that may come next. */
  readonly allowed: () => ReadonlySet<number>;
  /** Takes one of them; any other ends the process. */
  readonly accept: (id: number) => void;
  readonly free: () => void;
}
