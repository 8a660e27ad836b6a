import fc from "fast-check";
import { expect, test } from "vitest";
import { keystrokes, programText } from "./text.ts";

test("every keystroke adds one word or sign to the text before it, and all are beginnings of the text", () => {
  fc.assert(
    fc.property(fc.string(), fc.nat(40), fc.nat(20), (text, from, count) => {
      const typed = [...keystrokes(text, from, count)];

      expect(typed.length).toBeLessThanOrEqual(count);
      for (const [index, prefix] of typed.entries()) {
        const before = typed[index - 1] ?? text.slice(0, from);
        expect(text.startsWith(prefix)).toBe(true);
        expect(prefix.slice(before.length)).toMatch(/^\s*(\w+|[^\w\s]+)$/);
      }
    }),
  );
});

test("text is as long as asked, the same for the same random numbers, and another for others", () => {
  const text = (start: number): string => {
    let state = start;
    return programText(500, () => {
      state = (state * 16_807) % 2_147_483_647;
      return state / 2_147_483_647;
    });
  };

  expect(text(7).length).toBeGreaterThanOrEqual(500);
  expect(text(7)).toBe(text(7));
  expect(text(7)).not.toBe(text(8));
});
