import { expect, test } from "vitest";
import { visible } from "./terminal.ts";

test("generated control characters are shown, not obeyed; newline and tab stay", () => {
  expect(visible("a\n\tb\u001b[31mc\u0007\u007f\r")).toBe("a\n\tb␛[31mc␇␡␍");
});
