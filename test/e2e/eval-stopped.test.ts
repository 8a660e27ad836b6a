/** An evaluation that is stopped has not been for nothing. */
import { once } from "node:events";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { completionsServer } from "../support/completions-server.ts";
import { temporaryFolder } from "../support/files.ts";
import { runProgram, startProgram } from "../support/program.ts";
import { gate } from "../support/scripted-engine.ts";

const CASES = ["one", "two", "three", "four"].map((middle, index) => ({
  ...{ id: `${index}`, language: "python", kind: "single-line", prefix: `${index} = `, middle, suffix: "\n" },
}));

function files() {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const [set, out] = [join(path, "set.jsonl"), join(path, "out.jsonl")];
  writeFileSync(set, CASES.map((infill) => `${JSON.stringify(infill)}\n`).join(""));
  return { set, out };
}

const ids = (out: string) =>
  readFileSync(out, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => (JSON.parse(line) as { readonly id: string }).id);

test("stopped it prints what was measured, marked as a part, and --resume asks only what is missing", async () => {
  const { set, out } = files();
  const third = gate();
  let isStopping = false;
  const server = await completionsServer(async ({ prompt }) => {
    if (prompt === "2 = " && !isStopping) {
      third.open();
      await new Promise(() => undefined);
    }
    return CASES.find(({ prefix }) => prefix === prompt)?.middle;
  });
  const command = ["eval", "--url", server.url, "--set", set, "--style", "suffix", "--out", out];

  const first = startProgram(command);
  await third.opened;
  expect(ids(out)).toEqual(["0", "1"]); // while it still runs
  isStopping = true;
  first.child.kill("SIGINT");

  expect(await first.exit).toBe(130);
  expect(first.stdout()).toContain("PARTIAL: 2 of 4 requests were answered before it was stopped");
  expect(first.stdout()).toMatch(/single-line \| python +\| +2 \| 100\.0 %/);
  expect(first.stderr()).toContain(`The answers are in ${out}; the same command with --resume goes on.`);

  appendFileSync(out, '{"model":"m","id":"2","sty'); // as a crash leaves it
  const before = server.bodies.length;
  const anew = await runProgram(command);
  expect([anew.code, anew.stderr]).toEqual([2, expect.stringContaining(`${out} is not empty; go on with its answers`)]);
  expect(server.bodies).toHaveLength(before);
  const second = await runProgram([...command, "--resume", "--json"]);

  expect([second.code, second.stderr]).toEqual([0, `Going on with 2 of 4 answers in ${out}.\n`]);
  // One request for nothing, then the two cases that were missing.
  expect(server.bodies.slice(before).map(({ prompt }) => prompt)).toEqual(["2 = ", "2 = ", "3 = "]);
  expect(JSON.parse(second.stdout)).toMatchObject({
    ...{ complete: true, done: 4, total: 4 },
    settings: [{ summaries: [{ cases: 4, exact: 1 }] }],
  });
  expect(ids(out)).toEqual(["0", "1", "2", "3"]);
});

test("a perplexity that is stopped is told of the texts that were scored by then", async () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const file = join(path, "texts.jsonl");
  writeFileSync(file, '{"text": "ab"}\n{"text": "cd"}\n');
  const second = gate();
  const logprobs = { token_logprobs: [null, Math.log(1 / 4)], text_offset: [0, 1] };
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (asked === 1) response.end(JSON.stringify({ choices: [{ logprobs }] }));
    else second.open();
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, "listening");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

  const program = startProgram(["eval", "perplexity", file, "--url", url, "--model", "m"]);
  await second.opened;
  program.child.kill("SIGINT");

  expect(await program.exit).toBe(130);
  expect(program.stdout()).toBe("PARTIAL, 1 of 2 texts: m: perplexity 4.000 over 1 tokens of 1 texts\n");
});

test("--resume without a file is refused", async () => {
  const { code, stderr } = await runProgram(["eval", "--resume", "--url", "http://127.0.0.1:1"]);

  expect([code, stderr]).toEqual([2, expect.stringContaining("name it with --out")]);
});
