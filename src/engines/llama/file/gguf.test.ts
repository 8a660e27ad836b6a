import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import koffi from "koffi";
import { afterAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/support/files.ts";
import { TINY_SHAPE, writeTinyModel } from "../../../../test/support/tiny-model.ts";
import { libraryFolder } from "../native/library-folder.ts";
import { ARCHITECTURES } from "./architectures-3.21.1.ts";
import { GgufError, HeaderGoesOn, parseGguf } from "./gguf.ts";
import { TENSOR_TYPES } from "./gguf-types.ts";

const folder = temporaryFolder();
afterAll(folder.remove);
const TINY = join(folder.path, "tiny.gguf");
const vocabulary = writeTinyModel(TINY);
const whole = readFileSync(TINY);
const HEADER_BYTES = whole.length - parseGguf(whole, whole.length).tensors.reduce((sum, { bytes }) => sum + bytes, 0);

function reasonOf(bytes: Buffer, fileBytes = bytes.length): string {
  try {
    parseGguf(bytes, fileBytes);
  } catch (error) {
    if (error instanceof GgufError) return error.message;
    throw error;
  }
  return "it was read";
}

/** The same file with other bytes at one place. */
function patched(at: number, ...values: number[]): Buffer {
  const copy = Buffer.from(whole);
  copy.set(values, at);
  return copy;
}

describe("a sound file", () => {
  const header = parseGguf(whole, whole.length);

  test("gives its metadata by kind, and nothing for another kind", () => {
    expect(header.text("general.architecture")).toBe("qwen2");
    expect(header.number("qwen2.block_count")).toBe(TINY_SHAPE.layers);
    expect(header.flag("tokenizer.ggml.add_bos_token")).toBe(false);
    expect(header.count("tokenizer.ggml.tokens")).toBe(vocabulary.tokens.length);
    expect(header.numbers("tokenizer.ggml.token_type")).toEqual(vocabulary.types);
    expect(header.number("general.architecture")).toBeUndefined();
    expect(header.text("qwen2.block_count")).toBeUndefined();
  });

  test("gives the strings that are wanted, with their index", () => {
    const all = header.strings("tokenizer.ggml.tokens", () => true);
    const some = header.strings("tokenizer.ggml.tokens", (index) => index % 7 === 3);

    expect(all.map(([, text]) => text)).toEqual(vocabulary.tokens);
    expect(some).toEqual(all.filter(([index]) => index % 7 === 3));
  });

  test("lists its tensors with their sizes", () => {
    const { width } = TINY_SHAPE;

    expect(header.tensors).toContainEqual(
      expect.objectContaining({ name: "token_embd.weight", type: "F32", bytes: 4 * width * vocabulary.tokens.length }),
    );
  });

  test("is read the same from its beginning alone, and asks for more when that is too short", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: HEADER_BYTES }), (length) => {
        try {
          const part = parseGguf(whole.subarray(0, length), whole.length);
          expect(part.tensors).toEqual(header.tensors);
        } catch (error) {
          if (!(error instanceof HeaderGoesOn)) throw error;
          expect(error.bytes).toBeGreaterThan(length);
          expect(error.bytes).toBeLessThanOrEqual(HEADER_BYTES);
        }
      }),
      { examples: [[0], [HEADER_BYTES]] },
    );
  });
});

describe("what is no sound file is refused with what was found", () => {
  test("another beginning", () => {
    expect(reasonOf(patched(0, 0x50, 0x4b, 3, 4))).toMatch(/begins with "GGUF", this one with "PK/);
    expect(reasonOf(Buffer.alloc(0))).toContain("it ends at byte 0, in the middle of its header");
  });

  test("versions that are not known, and the other byte order", () => {
    expect(reasonOf(patched(4, 1))).toContain("its GGUF version is 1, expected 2 or 3");
    expect(reasonOf(patched(4, 0, 0, 0, 3))).toContain("big-endian");
  });

  test("more tensors, entries, characters or elements than the file can hold", () => {
    const absurd = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];

    expect(reasonOf(patched(8, ...absurd))).toContain("tensors, more than its");
    expect(reasonOf(patched(16, ...absurd))).toContain("metadata entries, more than its");
    expect(reasonOf(patched(24, ...absurd))).toContain("long a metadata key");
    const array = whole.indexOf("tokenizer.ggml.tokens") + "tokenizer.ggml.tokens".length;
    expect(reasonOf(patched(array + 8, ...absurd))).toContain("elements of tokenizer.ggml.tokens, more than its");
  });

  test("a file that was cut anywhere is never read", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: whole.length - 1 }), (length) => {
        expect(reasonOf(whole.subarray(0, length))).toMatch(/fetch it again|begins with "GGUF"/);
      }),
      { examples: [[4], [7], [23], [whole.length - 1]] },
    );
  });

  test("whatever single bytes are damaged, the answer is a header or a reason", () => {
    const damage = fc.array(fc.tuple(fc.integer({ min: 0, max: HEADER_BYTES }), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(damage, (changes) => {
        const copy = Buffer.from(whole);
        for (const [at, value] of changes) copy[at] = value;
        expect(reasonOf(copy)).toBeTypeOf("string");
      }),
      { numRuns: 500 },
    );
  });
});

describe("what we know of the pinned library is what it says itself", () => {
  const base = koffi.load(
    join(libraryFolder(), process.platform === "darwin" ? "libggml-base.dylib" : "libggml-base.so"),
  );
  const typeSize = base.func("ggml_type_size", "size_t", ["int"]) as (type: number) => number;
  const blockSize = base.func("ggml_blck_size", "int64", ["int"]) as (type: number) => number;

  test("tensor types: exactly those that have a size, with that size", () => {
    const COUNT = 43;
    const known = Array.from({ length: COUNT }, (_, id) => [id, blockSize(id), typeSize(id)]);

    expect([...TENSOR_TYPES].map(([id, { elements, bytes }]) => [id, elements, bytes])).toEqual(
      known.filter(([, , bytes]) => bytes !== 0),
    );
  });

  test.runIf(process.platform === "linux")("architectures: each name is in the library", () => {
    const library = readFileSync(join(libraryFolder(), "libllama.v0.4.0.so"));

    expect(ARCHITECTURES.size).toBeGreaterThan(100);
    expect([...ARCHITECTURES].filter((name) => !library.includes(`${name}\0`))).toEqual([]);
  });
});
