/**
 * The header of a GGUF file: metadata and where each tensor lies (specification: docs/gguf.md of ggml, versions 2 and 3).
 *
 * Nothing in the file is believed: every count, length and offset is held against the size of the file before a byte is
 * read or reserved for it, so a damaged or hostile file costs no more than its header.
 */
import { TENSOR_TYPES } from "./gguf-types.ts";

/** The file is not a usable GGUF file. The message says what was expected and found, not which file. */
export class GgufError extends Error {
  override readonly name = "GgufError";
}

/** The header goes on behind the bytes that were given. */
export class HeaderGoesOn extends Error {
  override readonly name = "HeaderGoesOn";
  /** Bytes from the start of the file that are needed at least. */
  readonly bytes: number;

  constructor(bytes: number) {
    super(`the header needs at least ${bytes} bytes`);
    this.bytes = bytes;
  }
}

/** An array stays in the bytes it was read from: vocabularies are long, and mostly only counted. */
export interface GgufArray {
  readonly type: number;
  readonly length: number;
  /** Position of the first element. */
  readonly at: number;
}

type GgufValue = number | boolean | string | GgufArray;

/** Numbers of the value types. */
const BOOL = 7;
const STRING = 8;
const ARRAY = 9;

interface NumberType {
  readonly bytes: number;
  read(bytes: Buffer, at: number): number;
}

/** By type number. 64-bit integers lose what doubles cannot hold; nothing of interest is that large. */
const NUMBERS: Readonly<Record<number, NumberType>> = {
  0: { bytes: 1, read: (bytes, at) => bytes.readUInt8(at) },
  1: { bytes: 1, read: (bytes, at) => bytes.readInt8(at) },
  2: { bytes: 2, read: (bytes, at) => bytes.readUInt16LE(at) },
  3: { bytes: 2, read: (bytes, at) => bytes.readInt16LE(at) },
  4: { bytes: 4, read: (bytes, at) => bytes.readUInt32LE(at) },
  5: { bytes: 4, read: (bytes, at) => bytes.readInt32LE(at) },
  6: { bytes: 4, read: (bytes, at) => bytes.readFloatLE(at) },
  7: { bytes: 1, read: (bytes, at) => bytes.readUInt8(at) },
  10: { bytes: 8, read: (bytes, at) => Number(bytes.readBigUInt64LE(at)) },
  11: { bytes: 8, read: (bytes, at) => Number(bytes.readBigInt64LE(at)) },
  12: { bytes: 8, read: (bytes, at) => bytes.readDoubleLE(at) },
};

/** Least bytes of a metadata entry (key length, type, one byte) and of a tensor's entry (name length, type, offset …). */
const LEAST_ENTRY_BYTES = 13;
const LEAST_TENSOR_BYTES = 24;
const MAX_DIMENSIONS = 4;
const DEFAULT_ALIGNMENT = 32;

export interface GgufTensor {
  readonly name: string;
  readonly type: string;
  readonly bytes: number;
}

/** A whole header. */
export class Gguf {
  readonly tensors: readonly GgufTensor[];
  readonly #bytes: Buffer;
  readonly #values: ReadonlyMap<string, GgufValue>;

  constructor(bytes: Buffer, values: ReadonlyMap<string, GgufValue>, tensors: readonly GgufTensor[]) {
    this.#bytes = bytes;
    this.#values = values;
    this.tensors = tensors;
  }

  /** What any getter below finds of another type counts as absent. */
  text(key: string): string | undefined {
    const value = this.#values.get(key);
    return typeof value === "string" ? value : undefined;
  }

  number(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === "number" ? value : undefined;
  }

  flag(key: string): boolean | undefined {
    const value = this.#values.get(key);
    return typeof value === "boolean" ? value : undefined;
  }

  /** Elements of an array; undefined: there is no such array. */
  count(key: string): number | undefined {
    const value = this.#values.get(key);
    return typeof value === "object" ? value.length : undefined;
  }

  numbers(key: string): number[] | undefined {
    const array = this.#values.get(key);
    if (typeof array !== "object") return undefined;
    const type = NUMBERS[array.type];
    if (type === undefined) return undefined;
    return Array.from({ length: array.length }, (_, index) => type.read(this.#bytes, array.at + index * type.bytes));
  }

  /** The strings of an array at which `wanted` says yes, with their index. */
  strings(key: string, wanted: (index: number) => boolean): [index: number, text: string][] {
    const array = this.#values.get(key);
    if (typeof array !== "object" || array.type !== STRING) return [];
    const found: [number, string][] = [];
    const cursor = new Cursor(this.#bytes, this.#bytes.length, array.at);
    for (let index = 0; index < array.length; index += 1) {
      const length = cursor.length("a string", 1);
      if (wanted(index)) found.push([index, this.#bytes.toString("utf8", cursor.at, cursor.at + length)]);
      cursor.skip(length);
    }
    return found;
  }
}

/**
 * @param bytes the beginning of the file.
 * @param fileBytes its whole size.
 * @throws GgufError for what is no sound GGUF file, HeaderGoesOn when `bytes` ends before the header.
 */
export function parseGguf(bytes: Buffer, fileBytes: number): Gguf {
  const cursor = new Cursor(bytes, fileBytes, 0);
  checkMagic(cursor);
  const tensorCount = cursor.length("tensors", LEAST_TENSOR_BYTES);
  const entryCount = cursor.length("metadata entries", LEAST_ENTRY_BYTES);
  const values = new Map<string, GgufValue>();
  for (let entry = 0; entry < entryCount; entry += 1) {
    const key = cursor.text("a metadata key");
    values.set(key, readValue(cursor, key));
  }
  const places = Array.from({ length: tensorCount }, () => readTensor(cursor));
  const alignment = values.get("general.alignment") ?? DEFAULT_ALIGNMENT;
  if (typeof alignment !== "number" || !Number.isInteger(Math.log2(alignment))) {
    throw new GgufError("general.alignment should be a power of two");
  }
  const start = Math.ceil(cursor.at / alignment) * alignment;
  for (const { name, bytes: size, offset } of places) {
    const end = start + offset + size;
    if (end > fileBytes) {
      throw new GgufError(
        `its tensor "${name}" should end at byte ${end}, but the file has only ${fileBytes} bytes; it is incomplete, fetch it again`,
      );
    }
  }
  return new Gguf(bytes, values, places);
}

/** Reads upwards; never beyond the file, and says so when the bytes given are only its beginning. */
class Cursor {
  at: number;
  readonly bytes: Buffer;
  readonly #fileBytes: number;

  constructor(bytes: Buffer, fileBytes: number, at: number) {
    this.bytes = bytes;
    this.#fileBytes = fileBytes;
    this.at = at;
  }

  number(type: number): number {
    const reader = NUMBERS[type];
    if (reader === undefined) throw new GgufError(`value type ${type} at byte ${this.at} is unknown`);
    this.skip(reader.bytes);
    return reader.read(this.bytes, this.at - reader.bytes);
  }

  uint32(): number {
    return this.number(4);
  }

  uint64(): number {
    this.skip(8);
    return this.bytes.readUInt32LE(this.at - 8) + this.bytes.readUInt32LE(this.at - 4) * 2 ** 32;
  }

  /** A count of things that follow and take at least `least` bytes each. */
  length(what: string, least: number): number {
    const count = this.uint64();
    if (count * least <= this.#fileBytes - this.at) return count;
    throw new GgufError(
      `at byte ${this.at - 8} it announces ${count} ${what}${least === 1 ? " of bytes" : ""}, more than its ${this.#fileBytes} bytes can hold; it is damaged or incomplete, fetch it again`,
    );
  }

  text(what: string): string {
    const length = this.length(`long ${what}`, 1);
    this.skip(length);
    return this.bytes.toString("utf8", this.at - length, this.at);
  }

  skip(count: number): void {
    const end = this.at + count;
    if (end > this.#fileBytes) {
      throw new GgufError(
        `it ends at byte ${this.#fileBytes}, in the middle of its header; it is incomplete, fetch it again`,
      );
    }
    if (end > this.bytes.length) throw new HeaderGoesOn(end);
    this.at = end;
  }
}

function checkMagic(cursor: Cursor): void {
  cursor.skip(4);
  const start = cursor.bytes.toString("latin1", 0, 4);
  if (start !== "GGUF") {
    throw new GgufError(
      `a GGUF file begins with "GGUF", this one with ${JSON.stringify(start)}; name a GGUF file, or convert the model`,
    );
  }
  const version = cursor.uint32();
  if (version === 2 || version === 3) return;
  const swapped = version === 2 << 24 || version === 3 << 24;
  const reason = swapped
    ? "it is of big-endian byte order, which is not supported"
    : `its GGUF version is ${version}, expected 2 or 3`;
  throw new GgufError(`${reason}; convert the model anew`);
}

function readValue(cursor: Cursor, key: string): GgufValue {
  const type = cursor.uint32();
  if (type === STRING) return cursor.text(`value of ${key}`);
  if (type === BOOL) return cursor.number(type) !== 0;
  if (type !== ARRAY) return cursor.number(type);
  const of = cursor.uint32();
  const size = of === STRING ? 8 : NUMBERS[of]?.bytes;
  if (size === undefined) throw new GgufError(`${key} is an array of the unknown type ${of}`);
  const length = cursor.length(`elements of ${key}`, size);
  const at = cursor.at;
  if (of !== STRING) cursor.skip(length * size);
  else for (let index = 0; index < length; index += 1) cursor.skip(cursor.length(`long string in ${key}`, 1));
  return { type: of, length, at };
}

function readTensor(cursor: Cursor): GgufTensor & { readonly offset: number } {
  const name = cursor.text("tensor name");
  const dimensions = cursor.uint32();
  if (dimensions > MAX_DIMENSIONS) {
    throw new GgufError(
      `tensor "${name}" has ${dimensions} dimensions, expected at most ${MAX_DIMENSIONS}; it is damaged, fetch it again`,
    );
  }
  const shape = Array.from({ length: dimensions }, () => cursor.uint64());
  const id = cursor.uint32();
  const offset = cursor.uint64();
  const type = TENSOR_TYPES.get(id);
  if (type === undefined) {
    throw new GgufError(
      `tensor "${name}" is of type ${id}, which this version does not know; use another quantisation, or update Continuo`,
    );
  }
  const [row = 1] = shape;
  if (row % type.elements !== 0) {
    throw new GgufError(
      `rows of tensor "${name}" have ${row} elements, expected a multiple of ${type.elements} for ${type.name}; it is damaged, fetch it again`,
    );
  }
  const elements = shape.reduce((product, length) => product * length, 1);
  return { name, type: type.name, bytes: (elements / type.elements) * type.bytes, offset };
}
