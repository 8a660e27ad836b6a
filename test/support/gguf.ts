/**
 * Writes GGUF version 3 files (specification: docs/gguf.md of the ggml repository, version 3), little endian.
 *
 * Only what the test models need: the metadata types below, and tensors in F32, F16 and Q8_0.
 */
import { closeSync, openSync, writeSync } from "node:fs";

export type MetadataValue =
  | { readonly type: "uint32" | "float32"; readonly value: number }
  | { readonly type: "bool"; readonly value: boolean }
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "strings"; readonly value: readonly string[] }
  | { readonly type: "int32s"; readonly value: readonly number[] };

export type TensorType = keyof typeof TENSOR_TYPES;

export interface Tensor {
  readonly name: string;
  readonly type: TensorType;
  /** ggml's order: elements of a row first, then rows. */
  readonly shape: readonly number[];
  /** Bytes of the whole tensor, in pieces of any size. Pulled while the file is being written. */
  readonly data: () => Iterable<Uint8Array>;
}

/** ggml's number of each type, and how many bytes hold how many elements. */
const TENSOR_TYPES = {
  F32: { id: 0, elements: 1, bytes: 4 },
  F16: { id: 1, elements: 1, bytes: 2 },
  // 32 signed bytes behind one half-precision scale
  Q8_0: { id: 8, elements: 32, bytes: 34 },
} as const;

const VALUE_TYPES = { uint32: 4, int32: 5, float32: 6, bool: 7, string: 8, array: 9 } as const;

/** Every tensor starts at a multiple of this many bytes, counted from the end of the header. */
const ALIGNMENT = 32;

/** Replaces `path`. Throws a RangeError when a tensor's pieces do not add up to its shape. */
export function writeGguf(
  path: string,
  metadata: ReadonlyMap<string, MetadataValue>,
  tensors: readonly Tensor[],
): void {
  const file = openSync(path, "w");
  try {
    const header = encodeHeader(metadata, tensors);
    writeAll(file, header);
    writeAll(file, new Uint8Array(padding(header.length)));
    for (const tensor of tensors) writeTensor(file, tensor);
  } finally {
    closeSync(file);
  }
}

/** Bytes that a tensor takes in the file, without padding. */
export function tensorBytes(tensor: Pick<Tensor, "type" | "shape">): number {
  const { elements, bytes } = TENSOR_TYPES[tensor.type];
  return (tensor.shape.reduce((product, length) => product * length, 1) / elements) * bytes;
}

/** Half-precision bits of a number, rounded to nearest; values beyond half precision are refused. */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (!(size <= 65_504)) throw new RangeError(`${value} does not fit in half precision`);
  if (size === 0) return sign;
  const exponent = Math.max(Math.floor(Math.log2(size)), -14);
  const fraction = Math.round((size / 2 ** exponent) * 1024);
  // A fraction of 2048 carries into the exponent; below 1024 the number is subnormal. The sum is right for both.
  return sign + ((exponent + 14) << 10) + fraction;
}

function encodeHeader(metadata: ReadonlyMap<string, MetadataValue>, tensors: readonly Tensor[]): Buffer {
  const pieces: Buffer[] = [Buffer.from("GGUF"), uint32(3), uint64(tensors.length), uint64(metadata.size)];
  for (const [key, value] of metadata) pieces.push(string(key), ...encodeValue(value));
  let offset = 0;
  for (const tensor of tensors) {
    pieces.push(string(tensor.name), uint32(tensor.shape.length), ...tensor.shape.map(uint64));
    pieces.push(uint32(TENSOR_TYPES[tensor.type].id), uint64(offset));
    const size = tensorBytes(tensor);
    offset += size + padding(size);
  }
  return Buffer.concat(pieces);
}

function encodeValue(entry: MetadataValue): Buffer[] {
  switch (entry.type) {
    case "uint32":
      return [uint32(VALUE_TYPES.uint32), uint32(entry.value)];
    case "float32": {
      const bytes = Buffer.alloc(4);
      bytes.writeFloatLE(entry.value);
      return [uint32(VALUE_TYPES.float32), bytes];
    }
    case "bool":
      return [uint32(VALUE_TYPES.bool), Buffer.from([entry.value ? 1 : 0])];
    case "string":
      return [uint32(VALUE_TYPES.string), string(entry.value)];
    case "strings": {
      const strings = Buffer.concat(entry.value.map(string));
      return [uint32(VALUE_TYPES.array), uint32(VALUE_TYPES.string), uint64(entry.value.length), strings];
    }
    case "int32s": {
      const values = Int32Array.from(entry.value);
      return [uint32(VALUE_TYPES.array), uint32(VALUE_TYPES.int32), uint64(values.length), Buffer.from(values.buffer)];
    }
  }
}

function writeTensor(file: number, tensor: Tensor): void {
  const expected = tensorBytes(tensor);
  let written = 0;
  for (const piece of tensor.data()) {
    writeAll(file, piece);
    written += piece.length;
  }
  if (written !== expected)
    throw new RangeError(`tensor ${tensor.name} has ${written} bytes, its shape says ${expected}`);
  writeAll(file, new Uint8Array(padding(written)));
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

function padding(size: number): number {
  return (ALIGNMENT - (size % ALIGNMENT)) % ALIGNMENT;
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value, "utf8");
  return Buffer.concat([uint64(bytes.length), bytes]);
}
