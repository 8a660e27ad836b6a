/** `continuo complete` at a cursor of a file that is longer than the model's context. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../support/files.ts";
import { runProgram } from "../support/program.ts";
import { startTinyServer } from "../support/tiny-server.ts";

test("the nearest lines are sent, and standard error says what was left out; --whole refuses", async () => {
  const server = await startTinyServer({ tiny: {} }, { args: ["--context", "512"] });
  onTestFinished(async () => void (await server.stop()));
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const file = join(folder.path, "long.py");
  writeFileSync(file, "value = value + 1\n".repeat(10_000));
  const command = ["complete", `${file}:5000:9`, "--url", server.url, "--max-tokens", "8", "--temperature", "0"];

  const answered = await runProgram(command);
  const refused = await runProgram([...command, "--whole"]);

  expect(answered.code, answered.stderr).toBe(0);
  expect(answered.stdout).not.toBe("");
  expect(answered.stderr).toMatch(
    /^left out the first 49\d\d lines and the last 4[89]\d\d lines: the context has 512 tokens \(--whole refuses such a text\)\n$/,
  );
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("the server refused (400)")]);
});
