import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BadStream, EventReader, LineReader, type PieceSplitter } from "./event-stream.ts";

function read(pieces: readonly Uint8Array[], reader: PieceSplitter = new EventReader()): string[] {
  return [...pieces.flatMap((piece) => reader.push(piece)), ...reader.end()];
}

/** Cuts at these places, in any order. */
function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...[...places].map((place) => place % (bytes.length + 1)).sort((a, b) => a - b), bytes.length];
  return sorted.slice(1).map((end, index) => bytes.subarray(sorted[index], end));
}

test("cutting the bytes anywhere never changes the events", () => {
  const line = fc.constantFrom("a", "春", "😀", '{"x":1}', "[DONE]", "b\u2028c");
  const separators = fc.constantFrom("\n\n", "\r\n\r\n", "\r\r");
  const comment = fc.constantFrom("", ": ping\n", ":\n\n");
  const stream = fc.array(fc.tuple(comment, line, separators), { maxLength: 6 });
  fc.assert(
    fc.property(stream, fc.array(fc.nat(), { maxLength: 12 }), (parts, places) => {
      const bytes = Buffer.from(parts.map(([before, data, end]) => `${before}data: ${data}${end}`).join(""));

      expect(read(cutAt(bytes, places))).toEqual(parts.map(([, data]) => data));
    }),
  );
});

test("an event that lacks the empty line behind it counts, half of one is left as it is", () => {
  expect(read([Buffer.from("data: a\n\ndata: b\n")])).toEqual(["a", "b"]);
  expect(read([Buffer.from('data: {"choi')])).toEqual(['{"choi']);
});

test("an event of more than a mebibyte is not read on, in one line or in many", () => {
  const piece = Buffer.from("x".repeat(1 << 16));
  const long = (): unknown => read([Buffer.from("data: "), ...Array.from({ length: 20 }, () => piece)]);
  const many = (): unknown => read(Array.from({ length: 20 }, () => Buffer.from(`data: ${"x".repeat(1 << 16)}\n`)));

  expect(long).toThrow(BadStream);
  expect(many).toThrow(BadStream);
});

test("what llama-server says in a field of its own is an event with an error", () => {
  expect(read([Buffer.from('error: {"code":500,"message":"m"}\n\n')])).toEqual([
    '{"error":{"code":500,"message":"m"}}',
  ]);
});

describe("lines", () => {
  test("cutting the bytes anywhere never changes them", () => {
    const line = fc.constantFrom("a", "春", "😀", '{"x":1}', "b\u2028c");
    const separators = fc.constantFrom("\n", "\r\n", "\n\n");
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, separators), { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (parts, places) => {
          const bytes = Buffer.from(parts.flat().join(""));

          expect(read(cutAt(bytes, places), new LineReader())).toEqual(parts.map(([said]) => said));
        },
      ),
    );
  });

  test("the last one counts without its end", () => {
    expect(read([Buffer.from('{"a":1}\n{"b"')], new LineReader())).toEqual(['{"a":1}', '{"b"']);
  });

  test("one of more than a mebibyte is not read on", () => {
    const piece = Buffer.from("x".repeat(1 << 16));

    expect(() =>
      read(
        Array.from({ length: 20 }, () => piece),
        new LineReader(),
      ),
    ).toThrow(BadStream);
  });
});
