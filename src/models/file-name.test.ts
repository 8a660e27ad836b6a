import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { failure, fakeGguf, filesOf, puller, pulling, REPOSITORY } from "../../test/support/pulling.ts";
import { isFileName } from "./file-name.ts";

const { folder, hub } = pulling();

test.each(["m-q8_0.gguf", "模型-q4_k_m.gguf", "a b (1)+x,y.gguf", "x".repeat(225)])(
  "%s may be a file's name",
  (name) => {
    expect(isFileName(name)).toBe(true);
  },
);

test.each([
  ["nothing", ""],
  ["a NUL", "a\0.gguf"],
  ["an escape sequence", "a\u001b[2J.gguf"],
  ["a line end", "a\n.gguf"],
  ["a control character of the second set", "a\u009b2J.gguf"],
  ["a mark that turns the direction of text", "a\u202efugg.gguf"],
  ["half a character", "a\ud83d.gguf"],
  ["a slash", "a/b.gguf"],
  ["a backslash", "..\\b.gguf"],
  ["a drive", "c:a.gguf"],
  ["a device", "NUL.gguf"],
  ["a dot in front", "..gguf"],
  ["a blank at the end", "a.gguf "],
  ["too many bytes", "模".repeat(80)],
])("%s may not be a file's name", (_what, name) => {
  expect(isFileName(name)).toBe(false);
});

test("a name that is allowed stays in its folder and shows itself whole", () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(..."a./\\:\0\n\u001b\u0085 模") }), (name) => {
      fc.pre(isFileName(name));
      expect(name).toMatch(/^[a 模][a. 模]*$/);
    }),
  );
});

describe.each(["hf", "ms"] as const)("a repository on %s", (preferred) => {
  test.each([
    ["NUL", "bad\0name-q8_0.gguf", "bad\\u{0}name-q8_0.gguf"],
    ["an escape sequence", "bad\u001b[31m-q8_0.gguf", "bad\\u{1b}[31m-q8_0.gguf"],
    ["a backslash", "..\\..\\bad-q8_0.gguf", "..\\..\\bad-q8_0.gguf"],
  ])("whose file has %s in its name is refused with the name spelled out", async (_what, path, spelled) => {
    const server = await hub({ repositories: { [REPOSITORY]: [{ path, content: fakeGguf(1000) }] } });
    const here = puller(folder.path, server);

    const { message } = await failure(here.pull(`${preferred}:${REPOSITORY}`));

    expect(message).toContain(`names a file "${spelled}", which cannot be the name of a file here`);
    expect(filesOf(here)).toEqual([]);
    expect(here.store.names()).toEqual([]);
  });
});
