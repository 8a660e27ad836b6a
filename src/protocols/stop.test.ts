import { describe, expect, test } from "vitest";
import { refusal } from "../../test/support/protocol-call.ts";
import { readStop } from "./stop.ts";

const MESSAGE =
  'The "stop" parameter must be of type "str", "list[str]", "list[int]", or "list[list[int]]", and all elements within the list must be of the same type.';

describe("the stop parameter (docs/wire.md 3.4)", () => {
  test.each([
    ["absent", undefined, [], []],
    ["null", null, [], []],
    ["an empty string", "", [], []],
    ["an empty list", [], [], []],
    ["a string", "\n\n", ["\n\n"], []],
    ["strings", ["a", "b"], ["a", "b"], []],
    ["an empty string among others is skipped", ["a", "", "b"], ["a", "b"], []],
    ["ids stop each by itself", [108386, 104307], [], [[108386], [104307]]],
    [
      "lists of ids are sequences",
      [
        [108386, 103924],
        [35946, 101243],
      ],
      [],
      [
        [108386, 103924],
        [35946, 101243],
      ],
    ],
    ["an empty sequence is skipped", [[], [1]], [], [[1]]],
    ["ids outside every vocabulary are no error", [4_000_000_000], [], [[4_000_000_000]]],
    ["a whole number written as 2.0", [2.0], [], [[2]]],
  ])("%s", (_, value, stopStrings, stopSequences) => {
    expect(readStop(value)).toEqual({ stopStrings, stopSequences });
  });

  test.each([
    ["a number", 108386],
    ["a boolean", true],
    ["an object", {}],
    ["mixed strings and ids", ["你好", 104307]],
    ["mixed ids and lists", [1, [2]]],
    ["mixed lists", [[1], ["a"]]],
    ["a negative id", [-1]],
    ["a fraction", [1.5]],
    ["a negative id in a sequence", [[1, -1]]],
    ["null in the list", [null]],
    ["numeric strings beside numbers", [1, "2"]],
  ])("%s is refused", (_, value) => {
    expect(refusal(() => readStop(value))).toEqual(["invalid_parameter", MESSAGE, "stop"]);
  });

  test("at most 256 entries of at most 4096 characters or ids are taken", () => {
    const longest = "x".repeat(4096);
    const ids = Array.from({ length: 4096 }, () => 1);

    expect(readStop(Array.from({ length: 256 }, () => longest)).stopStrings).toHaveLength(256);
    expect(readStop([ids]).stopSequences).toEqual([ids]);
    expect(refusal(() => readStop(Array.from({ length: 257 }, () => "x")))[1]).toBe(
      "stop should have at most 256 entries, found 257",
    );
    for (const value of [`${longest}x`, ["x", `${longest}x`], [[1], [...ids, 1]]]) {
      expect(refusal(() => readStop(value))[1]).toBe(
        "entries of stop should be at most 4096 characters or token ids long",
      );
    }
  });
});
