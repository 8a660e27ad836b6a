/**
 * A tiny language model with random weights, written in a fraction of a second: real files for the real engine.
 *
 * What it says is noise, but lively noise. Attention is sharp and outweighs the embedding, so the next token depends on the
 * whole context and greedy text does not fall into a loop. Control tokens never come by themselves, and the text is valid
 * UTF-8 in which some characters take two tokens (`CONSTANT_DIMENSION`, `OPEN_DIMENSION`).
 */

import { isUtf8 } from "node:buffer";
import { type MetadataValue, type Tensor, writeGguf } from "./gguf.ts";
import { Random } from "./random.ts";
import {
  TINY_CONTROL_TOKENS,
  TOKEN_TYPE,
  tinyVocabulary,
  unspellBytes,
  type Vocabulary,
  type VocabularyOptions,
} from "./tiny-vocabulary.ts";

export interface TinyModelOptions extends VocabularyOptions {
  /** Any 32-bit integer but 0; other seeds give other texts. Default 20_251_111. */
  readonly seed?: number;
  /** Tokens the model claims to be trained on. Default 8192. */
  readonly contextTokens?: number;
  /** `false`: a vocabulary without fill-in-the-middle markers. Default `true`. */
  readonly fim?: boolean;
  /** The token that the file calls its end. Default `<|im_end|>`. */
  readonly endToken?: string;
  /** Jinja source; `null` leaves it out. Default: ChatML. */
  readonly chatTemplate?: string | null;
  readonly name?: string;
  /** Further keys of the header. */
  readonly metadata?: Readonly<Record<string, MetadataValue>>;
  /** Larger models take longer: for tests that must meet an engine at work. Default `TINY_SHAPE`. */
  readonly shape?: Shape;
}

export const CHATML_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

/** Sizes of a qwen2 model. */
export interface Shape {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly feedForward: number;
}

export const TINY_SHAPE: Shape = { layers: 2, width: 64, heads: 4, kvHeads: 2, feedForward: 128 };

/** Returns the vocabulary, so that tests can name ids. */
export function writeTinyModel(path: string, options: TinyModelOptions = {}): Vocabulary {
  const fim = options.fim ?? true;
  const controlTokens = options.controlTokens ?? TINY_CONTROL_TOKENS.filter((token) => fim || !isFimMarker(token));
  const vocabulary = tinyVocabulary({ ...options, controlTokens });
  const shape = options.shape ?? TINY_SHAPE;
  const metadata = qwen2Metadata(shape, vocabulary, {
    name: options.name ?? "tiny",
    contextTokens: options.contextTokens ?? 8192,
    endToken: options.endToken ?? "<|im_end|>",
    chatTemplate: options.chatTemplate === undefined ? CHATML_TEMPLATE : options.chatTemplate,
  });
  for (const [key, value] of Object.entries(options.metadata ?? {})) metadata.set(key, value);
  writeGguf(path, metadata, randomTensors(shape, vocabulary, new Random(options.seed ?? 20_251_111)));
  return vocabulary;
}

/** Metadata of a qwen2 model with a byte-level vocabulary (keys: docs/gguf.md of ggml, llama.cpp's `llama-arch.cpp`). */
export function qwen2Metadata(
  shape: Shape,
  vocabulary: Vocabulary,
  about: { name: string; contextTokens: number; endToken: string; chatTemplate: string | null },
): Map<string, MetadataValue> {
  const end = vocabulary.ids.get(about.endToken);
  if (end === undefined) throw new RangeError(`${about.endToken} is not in the vocabulary`);
  const padding = vocabulary.ids.get("<|endoftext|>") ?? end;
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", { type: "string", value: "qwen2" }],
    ["general.name", { type: "string", value: about.name }],
    ["qwen2.block_count", { type: "uint32", value: shape.layers }],
    ["qwen2.context_length", { type: "uint32", value: about.contextTokens }],
    ["qwen2.embedding_length", { type: "uint32", value: shape.width }],
    ["qwen2.feed_forward_length", { type: "uint32", value: shape.feedForward }],
    ["qwen2.attention.head_count", { type: "uint32", value: shape.heads }],
    ["qwen2.attention.head_count_kv", { type: "uint32", value: shape.kvHeads }],
    ["qwen2.rope.freq_base", { type: "float32", value: 1_000_000 }],
    ["qwen2.attention.layer_norm_rms_epsilon", { type: "float32", value: 1e-6 }],
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "qwen2" }],
    ["tokenizer.ggml.tokens", { type: "strings", value: vocabulary.tokens }],
    ["tokenizer.ggml.token_type", { type: "int32s", value: vocabulary.types }],
    ["tokenizer.ggml.merges", { type: "strings", value: vocabulary.merges }],
    ["tokenizer.ggml.eos_token_id", { type: "uint32", value: end }],
    ["tokenizer.ggml.padding_token_id", { type: "uint32", value: padding }],
    ["tokenizer.ggml.add_bos_token", { type: "bool", value: false }],
  ]);
  if (about.chatTemplate !== null) {
    metadata.set("tokenizer.chat_template", { type: "string", value: about.chatTemplate });
  }
  return metadata;
}

/**
 * Two dimensions of the residual stream belong to the token alone: embeddings set them, no layer writes to them.
 * The first is the same for every token. The second says whether the token leaves a character open.
 * Output rows use them to rule tokens out (`outputBias`).
 */
const CONSTANT_DIMENSION = 0;
const OPEN_DIMENSION = 1;

/** What a token is to the UTF-8 text around it. `open` lacks exactly one more byte; `never` may not be generated. */
type Place = "whole" | "open" | "closing" | "never";

function placeOf(vocabulary: Vocabulary, id: number): Place {
  const token = vocabulary.tokens[id] ?? "";
  if (vocabulary.types[id] !== TOKEN_TYPE.normal) return "never";
  const bytes = Buffer.from(unspellBytes(token));
  if (isUtf8(bytes)) return "whole";
  if (bytes.length === 1 && isUtf8(Buffer.concat([TWO_BYTE_LEAD, bytes]))) return "closing";
  return isUtf8(Buffer.concat([bytes, CLOSING_BYTE])) ? "open" : "never";
}

const TWO_BYTE_LEAD = Buffer.from([0xc3]);
const CLOSING_BYTE = Buffer.from([0x80]);

/** Weights of an output row on the two dimensions: a large negative product keeps the token away. */
function outputBias(place: Place): readonly [constant: number, open: number] {
  if (place === "never") return [-2 * DISTANCE, 0];
  return place === "closing" ? [0, DISTANCE] : [0, -DISTANCE];
}

function randomTensors(shape: Shape, vocabulary: Vocabulary, random: Random): Tensor[] {
  const { width, feedForward } = shape;
  const headWidth = width / shape.heads;
  const kvWidth = headWidth * shape.kvHeads;
  const size = vocabulary.tokens.length;
  const gain = 1 / Math.sqrt(width);
  const normal = (scale: number) => () => scale * random.normal();
  const places = vocabulary.tokens.map((_, id) => placeOf(vocabulary, id));
  const tensors = [
    floats("token_embd.weight", [width, size], (index) => {
      if (index % width === CONSTANT_DIMENSION) return 1;
      if (index % width === OPEN_DIMENSION) return places[Math.floor(index / width)] === "open" ? 1 : -1;
      return random.normal();
    }),
    floats("output_norm.weight", [width], () => 1),
    floats("output.weight", [width, size], (index) => {
      const bias = outputBias(places[Math.floor(index / width)] ?? "never")[index % width];
      return bias ?? OUTPUT_GAIN * gain * random.normal();
    }),
  ];
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const add = (name: string, dimensions: number[], element: (index: number) => number) =>
      tensors.push(floats(`blk.${layer}.${name}`, dimensions, element));
    const toResidual = (columns: number, scale: number) => (index: number) =>
      Math.floor(index / columns) <= OPEN_DIMENSION ? 0 : (scale / Math.sqrt(columns)) * random.normal();
    add("attn_norm.weight", [width], () => 1);
    add("attn_q.weight", [width, width], normal(ATTENTION_GAIN * gain));
    add("attn_q.bias", [width], normal(1));
    add("attn_k.weight", [width, kvWidth], normal(ATTENTION_GAIN * gain));
    add("attn_k.bias", [kvWidth], normal(1));
    add("attn_v.weight", [width, kvWidth], normal(gain));
    add("attn_v.bias", [kvWidth], normal(0.1));
    add("attn_output.weight", [width, width], toResidual(width, 3));
    add("ffn_norm.weight", [width], () => 1);
    add("ffn_gate.weight", [width, feedForward], normal(2 * gain));
    add("ffn_up.weight", [width, feedForward], normal(gain));
    add("ffn_down.weight", [feedForward, width], toResidual(feedForward, 2));
  }
  return tensors;
}

/** Standard deviation of the logits, about: sampled text varies without being uniform noise. */
const OUTPUT_GAIN = 3;
/** Sharper attention picks single earlier tokens, which is what keeps greedy text out of loops. */
const ATTENTION_GAIN = 1.5;
/** Times a dimension of the normalised residual stream (0.15 to 0.5), in logits. */
const DISTANCE = 120;

function floats(name: string, shape: readonly number[], element: (index: number) => number): Tensor {
  const count = shape.reduce((product, length) => product * length, 1);
  const values = Float32Array.from({ length: count }, (_, index) => element(index));
  return { name, type: "F32", shape, data: () => [new Uint8Array(values.buffer)] };
}

function isFimMarker(token: string): boolean {
  return token.startsWith("<|fim_") || token === "<|repo_name|>" || token === "<|file_sep|>";
}
