import { isUtf8 } from "node:buffer";
import fc from "fast-check";
import { expect, test } from "vitest";
import { afterByte, afterBytes, CLOSED, continuations, INVALID } from "./utf8.ts";

/** Bytes near the edges of UTF-8 more often than others. */
const byte = fc.oneof(
  fc.nat(255),
  fc.constantFrom(0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc1, 0xc2, 0xdf, 0xe0, 0xed, 0xf0, 0xf4, 0xf5),
);

test("bytes are a text exactly where node says so", () => {
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 8 }), (bytes) => {
      expect(afterBytes(CLOSED, Uint8Array.from(bytes)) === CLOSED).toBe(isUtf8(Buffer.from(bytes)));
    }),
    { numRuns: 5_000 },
  );
});

test("bytes are the beginning of a text exactly where something can follow that makes them one", () => {
  const completed = (bytes: readonly number[]): boolean => {
    if (isUtf8(Buffer.from(bytes))) return true;
    const ends = [0x80, 0x90, 0xa0].flatMap((one) => [[one], [one, 0x80], [one, 0x80, 0x80]]);
    return ends.some((end) => isUtf8(Buffer.from([...bytes, ...end])));
  };
  fc.assert(
    fc.property(fc.array(byte, { maxLength: 6 }), (bytes) => {
      expect(afterBytes(CLOSED, Uint8Array.from(bytes)) !== INVALID).toBe(completed(bytes));
    }),
    { numRuns: 5_000 },
  );
});

test("exactly the bytes named may come in an open state", () => {
  for (let state = 1; state < INVALID; state += 1) {
    const { low, high } = continuations(state);
    for (let each = 0; each < 256; each += 1) {
      expect(afterByte(state, each) !== INVALID).toBe(each >= low && each <= high);
    }
  }
});
