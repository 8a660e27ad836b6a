/**
 * Random-weight models with the exact Qwen vocabulary: token counts need the real tokenizer, speed needs the real shape.
 */
import { cachedFile } from "./files.ts";
import { halfBits, type Tensor, tensorBytes, writeGguf } from "./gguf.ts";
import { qwenVocabulary } from "./qwen-vocabulary.ts";
import { Random } from "./random.ts";
import { CHATML_TEMPLATE, qwen2Metadata, type Shape } from "./tiny-model.ts";
import { TOKEN_TYPE, type Vocabulary } from "./tiny-vocabulary.ts";

/** Small enough to write in a second; 5 MB of weights. */
export const QWEN_VOCABULARY_SHAPE: Shape = { layers: 1, width: 32, heads: 1, kvHeads: 1, feedForward: 32 };

/** Qwen2.5-Coder-0.5B (its config.json). */
export const CODER_05B_SHAPE: Shape = { layers: 24, width: 896, heads: 14, kvHeads: 2, feedForward: 4864 };

/**
 * Writes a Q8_0 model with tied embeddings and 32 768 tokens of context. Control and padding tokens are never likely.
 *
 * @param successors token → token that follows it, surely and whatever came before; the layers then add nothing to what a
 *   token is, and the output has a matrix of its own. No two tokens may have the same successor.
 */
export function writeQwenVocabularyModel(
  path: string,
  shape: Shape = QWEN_VOCABULARY_SHAPE,
  successors?: ReadonlyMap<number, number>,
): void {
  const vocabulary = qwenVocabulary();
  const about = {
    name: `random-qwen2-${shape.layers}x${shape.width}`,
    contextTokens: 32_768,
    endToken: "<|im_end|>",
    chatTemplate: CHATML_TEMPLATE,
  };
  const random = new Random(20_250_227);
  const layout =
    successors === undefined ? tensors(shape, vocabulary, random) : following(shape, vocabulary, random, successors);
  writeGguf(path, qwen2Metadata(shape, vocabulary, about), layout);
}

/** The small model, kept between runs. */
export function cachedQwenVocabularyModel(): string {
  const sources = ["qwen-model.ts", "qwen-vocabulary.ts", "gguf.ts", "tiny-model.ts", "random.ts"];
  const urls = sources.map((name) => new URL(name, import.meta.url));
  return cachedFile("qwen-vocabulary.gguf", urls, (path) => writeQwenVocabularyModel(path));
}

/**
 * Embeddings being tied, what a token reads and what it is chosen by are one row. In this dimension the rows of ordinary
 * tokens are positive and those of control and padding tokens negative; every layer adds a positive constant to it
 * (`addConstant`), and the final norm amplifies it: so the latter are never likely, whatever came before.
 */
const CONSTANT_DIMENSION = 0;
const CONSTANT_GAIN = 40;
/** Value of the one attention channel that is the same for every token: its weights are zero, its bias is this. */
const CONSTANT_VALUE = 8;
/** Brings the standard deviation of the logits to about 3. */
const LOGIT_DEVIATION = 3;

function tensors(shape: Shape, vocabulary: Vocabulary, random: Random): Tensor[] {
  const { width, feedForward } = shape;
  const kvWidth = (width / shape.heads) * shape.kvHeads;
  const outputGain = LOGIT_DEVIATION / Math.sqrt(width);
  const embedding: Adjust = (row, values) => {
    values[CONSTANT_DIMENSION] = vocabulary.types[row] === TOKEN_TYPE.normal ? 127 : -127;
  };
  const all = [
    quantized("token_embd.weight", [width, vocabulary.tokens.length], 1, random, embedding),
    floats("output_norm.weight", width, (index) => (index === CONSTANT_DIMENSION ? CONSTANT_GAIN : outputGain)),
  ];
  for (let layer = 0; layer < shape.layers; layer += 1) {
    const name = (part: string) => `blk.${layer}.${part}`;
    const one = () => 1;
    const matrix = (part: string, columns: number, rows: number, gain: number) =>
      quantized(name(part), [columns, rows], gain / Math.sqrt(columns), random);
    const toResidual = (part: string, columns: number, gain: number, adjust: Adjust) =>
      quantized(name(part), [columns, width], gain / Math.sqrt(columns), random, adjust);
    all.push(
      floats(name("attn_norm.weight"), width, one),
      matrix("attn_q.weight", width, width, 2),
      floats(name("attn_q.bias"), width, () => random.normal()),
      matrix("attn_k.weight", width, kvWidth, 2),
      floats(name("attn_k.bias"), kvWidth, () => random.normal()),
      quantized(name("attn_v.weight"), [width, kvWidth], 1 / Math.sqrt(width), random, clearConstant),
      floats(name("attn_v.bias"), kvWidth, (index) =>
        index === CONSTANT_DIMENSION ? CONSTANT_VALUE : 0.1 * random.normal(),
      ),
      toResidual("attn_output.weight", width, 3, addConstant),
      floats(name("ffn_norm.weight"), width, one),
      matrix("ffn_gate.weight", width, feedForward, 2),
      matrix("ffn_up.weight", width, feedForward, 1),
      toResidual("ffn_down.weight", feedForward, 2, clearConstant),
    );
  }
  return all;
}

/** The same tensors, where the output row of a successor is the embedding of the token before it. */
function following(
  shape: Shape,
  vocabulary: Vocabulary,
  random: Random,
  successors: ReadonlyMap<number, number>,
): Tensor[] {
  const before = new Map(Array.from(successors, ([token, next]) => [next, token]));
  const fillLike = (token: number, values: Int8Array): void => {
    const own = new Random(Math.imul(token + 1, 0x9e3779b1));
    for (let index = 0; index < values.length; index += 1) values[index] = own.bits();
  };
  const embedding: Adjust = (row, values) => fillLike(row, values);
  const output: Adjust = (row, values) => {
    const token = before.get(row);
    if (token === undefined) values.fill(0);
    else fillLike(token, values);
  };
  const size: [number, number] = [shape.width, vocabulary.tokens.length];
  const silent = (name: string, columns: number): Tensor =>
    quantized(name, [columns, shape.width], 1, random, (_, values) => void values.fill(0));
  return [
    ...tensors(shape, vocabulary, random).map((tensor) => {
      if (tensor.name === "token_embd.weight") return quantized(tensor.name, size, 1, random, embedding);
      if (tensor.name === "output_norm.weight") return floats(tensor.name, shape.width, () => 1);
      if (tensor.name.endsWith(".attn_output.weight")) return silent(tensor.name, shape.width);
      return tensor.name.endsWith(".ffn_down.weight") ? silent(tensor.name, shape.feedForward) : tensor;
    }),
    quantized("output.weight", size, 1, random, output),
  ];
}

/** Changes the quantized values of a row. */
type Adjust = (row: number, values: Int8Array) => void;

function clearConstant(row: number, values: Int8Array): void {
  if (row === CONSTANT_DIMENSION) values.fill(0);
}

function addConstant(row: number, values: Int8Array): void {
  if (row !== CONSTANT_DIMENSION) return;
  values.fill(0);
  values[CONSTANT_DIMENSION] = 127;
}

const BLOCK_ELEMENTS = 32;
const BLOCK_BYTES = 34;
/** Standard deviation of a uniformly random signed byte. */
const BYTE_DEVIATION = 256 / Math.sqrt(12);

/** Uniform random weights of the given standard deviation. */
function quantized(
  name: string,
  shape: readonly [columns: number, rows: number],
  deviation: number,
  random: Random,
  adjust: Adjust = () => undefined,
): Tensor {
  const [columns, rows] = shape;
  const scale = halfBits(deviation / BYTE_DEVIATION);
  function* data(): Generator<Uint8Array> {
    const words = new Int32Array(columns / 4);
    const values = new Int8Array(words.buffer);
    const rowBytes = (columns / BLOCK_ELEMENTS) * BLOCK_BYTES;
    // many rows per write: a system call costs more than a row
    const rowsPerPiece = Math.max(1, Math.floor((1 << 20) / rowBytes));
    for (let first = 0; first < rows; first += rowsPerPiece) {
      const count = Math.min(rowsPerPiece, rows - first);
      const piece = new Uint8Array(count * rowBytes);
      for (let row = 0; row < count; row += 1) {
        for (let index = 0; index < words.length; index += 1) words[index] = random.bits();
        adjust(first + row, values);
        packRow(values, scale, piece, row * rowBytes);
      }
      yield piece;
    }
  }
  const tensor: Tensor = { name, type: "Q8_0", shape, data };
  if (columns % BLOCK_ELEMENTS !== 0) throw new RangeError(`${name}: ${tensorBytes(tensor)} bytes are no whole blocks`);
  return tensor;
}

function packRow(values: Int8Array, scale: number, piece: Uint8Array, start: number): void {
  let at = start;
  for (let element = 0; element < values.length; element += BLOCK_ELEMENTS) {
    piece[at] = scale & 0xff;
    piece[at + 1] = scale >> 8;
    piece.set(values.subarray(element, element + BLOCK_ELEMENTS), at + 2);
    at += BLOCK_BYTES;
  }
}

function floats(name: string, length: number, element: (index: number) => number): Tensor {
  const values = Float32Array.from({ length }, (_, index) => element(index));
  return { name, type: "F32", shape: [length], data: () => [new Uint8Array(values.buffer)] };
}
