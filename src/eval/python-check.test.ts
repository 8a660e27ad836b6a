import { expect, test, vi } from "vitest";
import type { InfillCase } from "./infill-case.ts";
import { passesTests } from "./python-check.ts";

const never = new AbortController().signal;
const CASE: InfillCase = {
  ...{
    id: "1",
    language: "python",
    kind: "single-line",
    prefix: "def add(a, b):\n",
    middle: "    return a + b\n",
    suffix: "",
  },
  check: { test: "def check(add):\n    assert add(1, 2) == 3\n", entryPoint: "add" },
};

vi.stubEnv("CONTINUO_API_KEY", "sk-1");

// Each starts an interpreter: all at once.
test.concurrent.each([
  ["a right answer passes", "    return b + a\n", true],
  ["a wrong one fails", "    return a - b\n", false],
  ["text that is no Python fails", "    return a +\n", false],
  ["leaving early is no success", "    raise SystemExit(0)\n", false],
  ["output is no success", "    print('ok'); import os; os.write(1, b'ok'); os._exit(0)\n", false],
  ["files cannot be written", "    with open('file', 'w') as file: file.write('x')\n    return a + b\n", false],
  ["no connection can be made", "    import socket\n    return a + b\n", false],
  ["memory has a bound", "    x = bytearray(1 << 31)\n    return a + b\n", false],
  [
    "the environment stays outside",
    "    import os\n    assert 'CONTINUO_API_KEY' not in os.environ\n    return a + b\n",
    true,
  ],
])("%s", async (_name, completion, passes) => {
  expect(await passesTests(CASE, completion, never)).toBe(passes);
});

test("a case without tests is not run", async () => {
  const { check: _check, ...without } = CASE;

  expect(await passesTests(without, "", never)).toBe(undefined);
});

test("an abort ends a program that does not end", async () => {
  const abort = new AbortController();

  const running = passesTests(CASE, "    while True: pass\n", abort.signal);
  abort.abort(new Error("interrupted"));

  await expect(running).rejects.toThrow("interrupted");
});
