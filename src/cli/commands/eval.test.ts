import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { Command } from "commander";
import { expect, onTestFinished, test, vi } from "vitest";
import { type AskedBody as Body, completionsServer as serverThat } from "../../../test/support/completions-server.ts";
import { temporaryFolder } from "../../../test/support/files.ts";
import { addEvalCommand } from "./eval.ts";

const CASES = [
  { id: "1", language: "python", kind: "single-line", prefix: "a = ", middle: "one", suffix: "\n" },
  { id: "2", language: "typescript", kind: "mid-word", prefix: "let th", middle: "ree = 3", suffix: ";\n" },
];

/** Runs the command on the two cases; the answers it writes. */
function evaluated(url: string, ...args: string[]): Promise<readonly Record<string, unknown>[]> {
  return evaluatedOn("--set", CASES, url, ...args);
}

async function evaluatedOn(
  option: "--set" | "--humaneval",
  cases: readonly object[],
  url: string,
  ...args: string[]
): Promise<readonly Record<string, unknown>[]> {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const [set, out] = [join(folder.path, "set.jsonl"), join(folder.path, "out.jsonl")];
  writeFileSync(set, cases.map((infill) => `${JSON.stringify(infill)}\n`).join(""));
  const program = new Command("continuo").exitOverride();
  addEvalCommand(program);
  await program.parseAsync(["eval", "--url", url, option, set, "--out", out, ...args], { from: "user" });
  const lines = readFileSync(out, "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

test("every case is asked in both ways and compared with what was there", async () => {
  const server = await serverThat(({ prompt }) => (prompt.includes("a = ") ? "one" : "ree = 4"));

  const answers = await evaluated(server.url);

  expect(answers).toMatchObject([
    { id: "1", style: "prompt", exact: true },
    { id: "2", style: "prompt", exact: false, word: true, stops: true },
    { id: "1", style: "suffix", exact: true },
    { id: "2", style: "suffix", exact: false, word: true, stops: true },
  ]);
  expect(server.bodies.filter(({ suffix }) => suffix !== undefined).at(-1)).toMatchObject({
    ...{ model: "m", prompt: "let th", suffix: ";\n", temperature: 0, max_tokens: 160, stream: true },
  });
});

test("kinds, languages and limits choose cases; healing is asked for as told", async () => {
  const server = await serverThat(() => "ree");

  const answers = await evaluated(server.url, "--kinds", "mid-word", "--style", "raw", "--healing", "both");

  expect(answers).toMatchObject([
    { id: "2", style: "raw", healing: true, word: true },
    { id: "2", style: "raw", healing: false, word: true },
  ]);
  expect(server.bodies.map(({ token_healing: healing }) => healing)).toEqual([true, true, false, false]);
  expect(await evaluated(server.url, "--limit", "1", "--style", "raw")).toHaveLength(1);
  expect(await evaluated(server.url, "--language", "python", "--style", "raw")).toMatchObject([{ id: "1" }]);
});

test("HumanEval-Infilling's programs run only when told to", async () => {
  const task = {
    ...{ task_id: "SingleLineInfilling/HumanEval/0/L0", entry_point: "add", canonical_solution: "    return a + b\n" },
    ...{ prompt: "def add(a, b):\n", suffix: "", test: "def check(add):\n    assert add(1, 2) == 3\n" },
  };
  const server = await serverThat(() => "    return b + a\n");

  const [unrun] = await evaluatedOn("--humaneval", [task], server.url, "--style", "prompt");
  const [run] = await evaluatedOn("--humaneval", [task], server.url, "--style", "prompt", "--execute");

  expect(unrun).not.toHaveProperty("passed");
  expect(run).toMatchObject({ kind: "single-line", exact: false, passed: true });
});

test("a server that fills in nothing ends the evaluation with what it says", async () => {
  const server = await serverThat(() => undefined);

  await expect(evaluated(server.url)).rejects.toThrow(
    "markers in the prompt, PSM, the model's healing: the server refused (400): no suffix, please",
  );
});

test("one refusal among answers is a failure of that case only", async () => {
  const server = await serverThat(({ prompt }) => (prompt === "let th" ? undefined : "one"));

  expect(await evaluated(server.url, "--style", "suffix")).toMatchObject([
    { id: "1", exact: true },
    { id: "2", error: "the server refused (400): no suffix, please" },
  ]);
});

test.each([
  [["--execute"], "--execute needs programs with tests: name a file with --humaneval"],
  [["--kinds", "multi-line"], "no case is of these kinds and languages"],
  [["--set", "/nowhere"], "cannot read the cases in /nowhere (ENOENT)"],
])("%j is refused before anything is asked", async (args, message) => {
  const server = await serverThat(() => "");

  await expect(evaluated(server.url, ...args)).rejects.toThrow(message);
  expect(server.bodies).toEqual([]);
});

test("perplexity: the answer's tokens are scored, not the prompt's", async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const file = join(folder.path, "chat.jsonl");
  const messages = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Ho" },
  ];
  writeFileSync(file, JSON.stringify({ messages }));
  const prompt = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHo<|im_end|>";
  const logprobs = { token_logprobs: [null, -9, Math.log(1 / 2), Math.log(1 / 8)], text_offset: [0, 12, 52, 54] };
  const bodies: Body[] = [];
  const server = createServer(async (request, response) => {
    bodies.push((await json(request)) as Body);
    response.end(JSON.stringify({ choices: [{ text: prompt, logprobs }] }));
  }).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close().closeAllConnections());
  await once(server, "listening");
  const written = vi.spyOn(process.stdout, "write").mockReturnValue(true);
  onTestFinished(() => written.mockRestore());

  const program = new Command("continuo");
  addEvalCommand(program);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await program.parseAsync(["eval", "perplexity", file, "--url", url, "--model", "m"], { from: "user" });

  expect(bodies).toMatchObject([{ model: "m", prompt, max_tokens: 0, echo: true, logprobs: 0 }]);
  expect(prompt.slice(52)).toBe("Ho<|im_end|>");
  expect(written).toHaveBeenCalledWith("m: perplexity 4.000 over 2 tokens of 1 texts\n");
});
