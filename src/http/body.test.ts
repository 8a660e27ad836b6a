import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { brotliCompressSync, deflateSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { expect, test } from "vitest";
import { readJsonObject } from "./body.ts";

/** A request whose body arrives in these pieces. */
function incoming(pieces: readonly Uint8Array[], headers: Record<string, string> = {}): IncomingMessage {
  return Object.assign(Readable.from(pieces.map((piece) => Buffer.from(piece))), {
    headers,
  }) as unknown as IncomingMessage;
}

const bytes = (text: string) => [Buffer.from(text)];

test("however a body is cut, it reads the same", async () => {
  const value = fc.dictionary(fc.string(), fc.oneof(fc.string({ unit: "grapheme" }), fc.integer(), fc.boolean()));
  await fc.assert(
    fc.asyncProperty(value, fc.integer({ min: 1, max: 7 }), async (object, size) => {
      const whole = Buffer.from(JSON.stringify(object));
      const pieces = Array.from({ length: Math.ceil(whole.length / size) }, (_, index) =>
        whole.subarray(index * size, (index + 1) * size),
      );

      expect(await readJsonObject(incoming(pieces), 1 << 20)).toEqual(JSON.parse(JSON.stringify(object)));
    }),
  );
});

test("a byte order mark is skipped", async () => {
  expect(await readJsonObject(incoming(bytes('\uFEFF{"a":1}')), 100)).toEqual({ a: 1 });
});

test.each([
  ["gzip", gzipSync],
  ["x-gzip", gzipSync],
  ["GZIP", gzipSync],
  ["deflate", deflateSync],
  ["br", brotliCompressSync],
])("%s bodies are inflated", async (encoding, compress) => {
  const request = incoming([compress('{"a":1}')], { "content-encoding": encoding });

  expect(await readJsonObject(request, 100)).toEqual({ a: 1 });
});

test.each([
  ["no bytes", []],
  ["broken JSON", bytes('{"secret":')],
  ["an array", bytes("[1]")],
  ["null", bytes("null")],
  ["a string", bytes('"secret"')],
  ["bytes that are no UTF-8", [Buffer.from([0x22, 0xc3, 0x28, 0x22])]],
  ["a surrogate in UTF-8", [Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22])]],
])("%s is refused without quoting it", async (_case, pieces) => {
  const error = await readJsonObject(incoming(pieces), 100).catch((caught: unknown) => caught);

  expect(error).toMatchObject({ code: "invalid_body", message: expect.not.stringContaining("secret") });
  expect(error).not.toHaveProperty("cause.message");
});

test("a gzip body cut short, or of another kind, is refused", async () => {
  const headers = { "content-encoding": "gzip" };

  await expect(readJsonObject(incoming([gzipSync("{}").subarray(0, 15)], headers), 100)).rejects.toMatchObject({
    code: "invalid_body",
  });
  await expect(readJsonObject(incoming(bytes("{}"), headers), 100)).rejects.toMatchObject({ code: "invalid_body" });
  await expect(readJsonObject(incoming(bytes("{}"), { "content-encoding": "zstd" }), 100)).rejects.toMatchObject({
    code: "invalid_body",
  });
});

test.each([
  ["as announced", incoming(bytes("{}"), { "content-length": "101" })],
  ["as received", incoming([Buffer.alloc(60, 32), Buffer.alloc(60, 32)])],
  ["as inflated", incoming([gzipSync(Buffer.alloc(101, 32))], { "content-encoding": "gzip" })],
])("a body over the limit %s is refused", async (_case, request) => {
  await expect(readJsonObject(request, 100)).rejects.toMatchObject({ code: "body_too_large" });
});

test("a body of exactly the limit is read", async () => {
  const body = JSON.stringify({ a: "x".repeat(100 - 8) });

  expect(body).toHaveLength(100);
  expect(await readJsonObject(incoming(bytes(body)), 100)).toHaveProperty("a");
});
