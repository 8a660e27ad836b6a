import type { Sampling } from "../../../continuation/request.ts";
import type { Gguf } from "./gguf.ts";
import type { ModelFile } from "./gguf-file.ts";
import { samplingDefaults } from "./sampling-defaults.ts";

/** What a model's files say before anything is loaded: enough to route requests and to know how much memory it takes. */
export interface HeaderFacts {
  readonly vocabularySize: number;
  /** Longest context it was trained for, tokens. */
  readonly trainedTokens: number;
  readonly layers: number;
  /** Attention heads of a layer. */
  readonly heads: number;
  readonly weightBytes: number;
  /** Cache memory of one token in f16, bytes. */
  readonly cacheBytesPerToken: number;
  /** Floats that one row of a batch occupies between the layers, about. */
  readonly activationFloats: number;
  /** Spelling and id of every control and user-defined token. */
  readonly controls: Readonly<Record<string, number>>;
  readonly chatTemplate?: string;
  readonly sampling: Sampling;
}

/** Values of `tokenizer.ggml.token_type`. */
const CONTROL = 3;
const USER_DEFINED = 4;

/** llama.cpp's assumption for files that do not say. */
const DEFAULT_CONTEXT_TOKENS = 2048;

export function factsOfHeader({ header, tensors }: ModelFile): HeaderFacts {
  const architecture = header.text("general.architecture") ?? "";
  const number = (key: string): number | undefined => header.number(`${architecture}.${key}`);
  const embedding = number("embedding_length") ?? 0;
  const types = header.numbers("tokenizer.ggml.token_type") ?? [];
  const isControl = (id: number): boolean => types[id] === CONTROL || types[id] === USER_DEFINED;
  const controls: Record<string, number> = {};
  for (const [id, spelling] of header.strings("tokenizer.ggml.tokens", isControl)) controls[spelling] ??= id;
  const chatTemplate = header.text("tokenizer.chat_template");
  return {
    vocabularySize: header.count("tokenizer.ggml.tokens") ?? number("vocab_size") ?? 0,
    trainedTokens: number("context_length") ?? DEFAULT_CONTEXT_TOKENS,
    layers: number("block_count") ?? 0,
    heads: Math.max(1, ...perLayer(header, `${architecture}.attention.head_count`)),
    weightBytes: tensors.reduce((sum, tensor) => sum + tensor.bytes, 0),
    cacheBytesPerToken: cacheBytes(header, architecture, embedding),
    activationFloats: 4 * embedding + 2 * Math.max(0, ...perLayer(header, `${architecture}.feed_forward_length`)),
    controls,
    ...(chatTemplate !== undefined && { chatTemplate }),
    sampling: samplingDefaults((key) => header.number(key)),
  };
}

/** Keys and values of one token in every layer, two bytes each. Layers may differ in their number of heads. */
function cacheBytes(header: Gguf, architecture: string, embedding: number): number {
  const number = (key: string): number | undefined => header.number(`${architecture}.${key}`);
  const [heads = 1] = perLayer(header, `${architecture}.attention.head_count`);
  const headSize = heads > 0 ? embedding / heads : 0;
  const width = (number("attention.key_length") ?? headSize) + (number("attention.value_length") ?? headSize);
  const counted = perLayer(header, `${architecture}.attention.head_count_kv`);
  const [shared = heads] = counted;
  const layers = number("block_count") ?? 0;
  const cacheHeads = counted.length > 1 ? counted.reduce((sum, each) => sum + each, 0) : layers * shared;
  return 2 * width * cacheHeads;
}

/** A value that some models give once and others per layer. */
function perLayer(header: Gguf, key: string): number[] {
  const once = header.number(key);
  return once === undefined ? (header.numbers(key) ?? []) : [once];
}
