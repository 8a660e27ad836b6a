import { expect, test } from "vitest";
import { oneLine, visible } from "./visible.ts";

test("generated control characters are shown, not obeyed; newline and tab stay", () => {
  expect(visible("a\n\tb\u001b[31mc\u0007\u007f\r\u009b2J")).toBe("a\n\tb␛[31mc␇␡␍\ufffd2J");
});

test("on one line newline and tab are shown, too", () => {
  expect(oneLine("a\n\tb\u001b[2J 春")).toBe("a␊␉b␛[2J 春");
});
