import { existsSync } from "node:fs";
import type { LoweredPart } from "../../../continuation/prompt.ts";
import { ServiceError } from "../../../errors.ts";
import { Pieces } from "../file/pieces.ts";
import { promptingOf } from "../file/prompting.ts";
import { samplingDefaults } from "../file/sampling-defaults.ts";
import type { ModelFacts } from "../wire/model-facts.ts";
import type { LlamaApi, NativeParams, Pointer } from "./api.ts";

/** A loaded model file: facts, text to tokens, tokens to bytes. */
export class NativeModel {
  readonly pointer: Pointer;
  readonly facts: ModelFacts;
  readonly pieces: Pieces;
  readonly #api: LlamaApi;
  readonly #vocab: Pointer;
  readonly #piece = Buffer.alloc(512);

  private constructor(api: LlamaApi, pointer: Pointer) {
    this.#api = api;
    this.pointer = pointer;
    this.#vocab = api.modelVocab(pointer);
    this.facts = readFacts(api, pointer, this.#vocab);
    this.pieces = new Pieces(this.facts.vocabularySize, (id) => this.bytes(id));
  }

  /**
   * Throws `model_unavailable` naming the file and the reason as far as the library tells.
   *
   * @param params laid over the library's defaults.
   */
  static async load(api: LlamaApi, path: string, log: () => string, params: NativeParams = {}): Promise<NativeModel> {
    if (path.includes("\0")) throw unavailable(path, "the path holds a NUL character");
    if (!existsSync(path)) throw unavailable(path, "there is no such file");
    const pointer = await new Promise<Pointer | null>((resolve, reject) => {
      api.modelLoad.async(path, { ...api.modelDefaultParams(), ...params }, (error, result) =>
        error === null ? resolve(result) : reject(error),
      );
    });
    if (pointer === null) throw unavailable(path, log() || "llama.cpp could not read it; is it a complete GGUF file?");
    if (api.modelHasEncoder(pointer) || api.modelIsRecurrent(pointer) || api.modelIsHybrid(pointer)) {
      api.modelFree(pointer);
      throw unavailable(path, "encoder, recurrent and hybrid models are not supported");
    }
    return new NativeModel(api, pointer);
  }

  /**
   * Tokens of a part of a prompt. Control tokens are looked up, text is never parsed for them.
   * Throws `invalid_parameter` on ids outside the vocabulary, which the library would not survive.
   */
  encode(part: LoweredPart): readonly number[] | Int32Array {
    if ("tokens" in part) {
      const wrong = part.tokens.find((id) => !(id >= 0 && id < this.facts.vocabularySize));
      if (wrong === undefined) return part.tokens;
      const message = `Token ids of prompt should be in [0, ${this.facts.vocabularySize - 1}], found ${wrong}`;
      throw new ServiceError("invalid_parameter", message, { param: "prompt" });
    }
    if ("control" in part) {
      const id = this.facts.controls[part.control];
      if (id === undefined) throw new Error(`the vocabulary has no control token ${part.control}`);
      return [id];
    }
    if (part.written !== undefined && this.#spells(part.written, part.text)) return part.written;
    const { text, tokens } = buffersFor(part.text);
    return filled(tokens, this.#api.tokenize(this.#vocab, text, text.length, tokens, tokens.length, false, false));
  }

  #spells(ids: readonly number[], text: string): boolean {
    if (!ids.every((id) => id >= 0 && id < this.facts.vocabularySize)) return false;
    return Buffer.concat(ids.map((id) => this.bytes(id))).equals(Buffer.from(text));
  }

  /** The same, a text on another thread: a long one takes seconds. */
  async encodeAside(part: LoweredPart): Promise<readonly number[] | Int32Array> {
    if (!("text" in part) || part.written !== undefined) return this.encode(part);
    const { text, tokens } = buffersFor(part.text);
    const count = await new Promise<number>((resolve, reject) => {
      this.#api.tokenize.async(
        ...([this.#vocab, text, text.length, tokens, tokens.length, false, false] as const),
        (error, result) => (error === null ? resolve(result) : reject(error)),
      );
    });
    return filled(tokens, count);
  }

  /** The bytes a token adds to a text; none for a control token. */
  bytes(token: number): Uint8Array {
    return this.#pieceOf(token, false);
  }

  /** The same, control tokens as they are spelt. */
  spelling(token: number): Uint8Array {
    return this.#pieceOf(token, true);
  }

  /** An id outside the vocabulary would end the process. */
  #pieceOf(token: number, special: boolean): Uint8Array {
    if (token < 0 || token >= this.facts.vocabularySize)
      throw new RangeError(`token ${token} is not in the vocabulary`);
    const length = this.#api.tokenToPiece(this.#vocab, token, this.#piece, this.#piece.length, 0, special);
    if (length >= 0) return Uint8Array.prototype.slice.call(this.#piece, 0, length);
    const long = Buffer.alloc(-length);
    return long.subarray(0, this.#api.tokenToPiece(this.#vocab, token, long, long.length, 0, special));
  }

  free(): void {
    this.#api.modelFree(this.pointer);
  }
}

/** The text as the tokenizer takes it, and room for all that may come of it: a token holds a byte, a few are put in front. */
function buffersFor(text: string): { readonly text: Buffer; readonly tokens: Int32Array } {
  const bytes = Buffer.from(text, "utf8");
  return { text: bytes, tokens: new Int32Array(bytes.length + 8) };
}

function filled(tokens: Int32Array, count: number): Int32Array {
  if (count < 0) throw new Error(`a text of at most ${tokens.length} tokens came to ${count}`);
  return tokens.subarray(0, count);
}

function unavailable(path: string, reason: string): ServiceError {
  return new ServiceError("model_unavailable", `the model file ${path} cannot be used: ${reason}`);
}

/** Bits of llama_token_attr. */
const CONTROL = 8;
const USER_DEFINED = 16;

function readFacts(api: LlamaApi, model: Pointer, vocab: Pointer): ModelFacts {
  const vocabularySize = api.vocabSize(vocab);
  const controls: Record<string, number> = {};
  for (let id = 0; id < vocabularySize; id += 1) {
    if ((api.tokenAttributes(vocab, id) & (CONTROL | USER_DEFINED)) !== 0) controls[api.tokenText(vocab, id)] ??= id;
  }
  const meta = (key: string): string | undefined => {
    const buffer = Buffer.alloc(4096);
    const length = api.modelMeta(model, key, buffer, buffer.length);
    return length < 0 ? undefined : buffer.toString("utf8", 0, Math.min(length, buffer.length - 1));
  };
  const description = Buffer.alloc(256);
  const described = description.toString("utf8", 0, api.modelDescription(model, description, description.length));
  const [bos, eos, eot] = [api.vocabBos(vocab), api.vocabEos(vocab), api.vocabEot(vocab)];
  const template = api.modelChatTemplate(model, null);
  const headSize = api.modelEmbedding(model) / Math.max(1, api.modelHeads(model));
  return {
    description: described,
    vocabularySize,
    trainedTokens: api.modelContextTrain(model),
    weightBytes: Number(api.modelSize(model)),
    cacheBytesPerToken: 2 * 2 * api.modelLayers(model) * api.modelHeadsKv(model) * headSize,
    controls,
    ends: [...new Set([eos, eot].filter((id) => id >= 0))],
    ...(bos >= 0 && { bos: { id: bos, text: api.tokenText(vocab, bos), add: api.vocabAddBos(vocab) } }),
    ...(eos >= 0 && { eos: api.tokenText(vocab, eos) }),
    ...(template !== null && { chatTemplate: template }),
    sampling: samplingDefaults((key) => {
      const value = Number(meta(key) ?? Number.NaN);
      return Number.isFinite(value) ? value : undefined;
    }),
    prompting: promptingOf(meta),
  };
}
