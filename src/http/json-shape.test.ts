import fc from "fast-check";
import { expect, test } from "vitest";
import { excessIn } from "./json-shape.ts";

const excess = (json: string) => excessIn(Buffer.from(json));
const nested = (levels: number, inner = "") => `${"[".repeat(levels)}${inner}${"]".repeat(levels)}`;

test.each([
  ["arrays", `{"model":"m","prompt":${nested(256)}}`],
  ["objects", `{"model":"m","prompt":${'{"a":'.repeat(256)}1${"}".repeat(256)}}`],
  ["a million levels", `{"model":"m","prompt":${nested(1_000_000)}}`],
  ["a name before white space", `{"model":"m","prompt" \n:${nested(256)}}`],
])("%s too deep are found, with their field", (_case, json) => {
  expect(excess(json)).toEqual({ field: "prompt", expected: "expected at most 256 levels of nesting" });
});

test.each([
  ["members", `{"model":"m","user":{${Array.from({ length: 250_000 }, (_, index) => `"${index}":0`).join(",")}}}`],
  ["objects", `{"model":"m","user":[${"{},".repeat(250_000)}{}]}`],
])("too many %s are found, with their field", (_case, json) => {
  expect(excess(json)).toMatchObject({ field: "user", expected: expect.stringContaining("at most 250000") });
});

test("brackets and colons within strings are text", () => {
  expect(excess(JSON.stringify({ prompt: `${nested(5_000)}\\"${"{:".repeat(300_000)}\\` }))).toBeUndefined();
});

test("a million token ids are no excess", () => {
  expect(excess(JSON.stringify({ prompt: Array.from({ length: 1_000_000 }, () => 1) }))).toBeUndefined();
});

test("depth is what the value has, whatever its strings are", () => {
  const wrapped = fc.tuple(fc.json({ maxDepth: 3 }), fc.integer({ min: 1, max: 300 }), fc.string({ unit: "binary" }));
  fc.assert(
    fc.property(wrapped, ([json, levels, name]) => {
      const inner = JSON.parse(json) as unknown;
      const text = `{${JSON.stringify(name)}:${nested(levels, json)}}`;

      expect(excess(text) === undefined).toBe(1 + levels + depthOf(inner) <= 256);
    }),
  );
});

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test("anything at all is looked at without an error", () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => void excessIn(bytes)));
});
