/**
 * Where Qwen2.5-Coder-0.5B-Instruct ends a gap, and whether another layout makes it end: greedy answers of at most 24 tokens.
 *
 *     npm run build && npx tsx test/weights/gaps.ts [cases] [FILE] [pattern of layout names]
 *
 * FILE has cases of HumanEval-Infilling (`eval/humaneval.py`); without one, or with "", the single lines of the held-out set
 * are asked.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { humanEvalCases, type InfillCase, ownCases } from "../../src/eval/infill-case.ts";
import { goesOnInto } from "../../src/eval/score.ts";
import { CHAT, eventually, get, type Json, post, textOf } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { qwenWeights } from "../support/qwen-weights.ts";
import { startServer } from "../support/server.ts";
import { expectThat, print, Tally } from "../support/tally.ts";

const TOKENS = 24;
/** Single lines begun right at least: this share. */
const LEAST_RIGHT = 0.25;

/** The same weights under other layouts, each a model of the configuration. */
const CONFIGURED = { line: { behind_middle: "line" }, prefix: { behind_middle: "prefix" }, spm: { order: "spm" } };
const QWEN = { prefix: "<|fim_prefix|>", suffix: "<|fim_suffix|>", middle: "<|fim_middle|>" };

interface Request {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Ways to ask for the same gap, all but the first with `gap_end: false`. The first that is asked must begin most lines right. */
const LAYOUTS: Readonly<Record<string, (infill: InfillCase) => Request>> = {
  "as served": ({ prefix, suffix }) => completion({ prompt: prefix, suffix, gap_end: true }),
  "the built-in layout": ({ prefix, suffix }) => completion({ prompt: prefix, suffix }),
  "healing off": ({ prefix, suffix }) => completion({ prompt: prefix, suffix, token_healing: false }),
  "a line end behind the prefix": ({ prefix, suffix }) => completion({ prompt: `${prefix}\n`, suffix }),
  "a line end behind the suffix": ({ prefix, suffix }) => completion({ prompt: prefix, suffix: `${suffix}\n` }),
  "repository form": (infill) =>
    completion({ prompt: `<|repo_name|>demo\n<|file_sep|>${fileName(infill)}\n${marked(infill)}` }),
  "the cursor's line behind the middle marker": ({ prefix, suffix }) =>
    completion({ model: "line", prompt: prefix, suffix }),
  "the prefix behind the middle marker": ({ prefix, suffix }) =>
    completion({ model: "prefix", prompt: prefix, suffix }),
  "the prefix behind the middle marker, healing off": ({ prefix, suffix }) =>
    completion({ model: "prefix", prompt: prefix, suffix, token_healing: false }),
  "suffix first": ({ prefix, suffix }) => completion({ model: "spm", prompt: prefix, suffix }),
  "markers in a user's message": (infill) => ({
    path: CHAT,
    body: { messages: [{ role: "user", content: marked(infill) }], gap_end: false },
  }),
};

interface Counts {
  gaps: number;
  /** The first line that is not blank is the gap's, blanks around it aside. */
  right: number;
  exact: number;
  /** It ended before the limit of tokens. */
  ended: number;
  repeats: number;
  /** The gap, and then more than blanks. */
  past: number;
}

const [count = "180", file = "", pattern = ""] = process.argv.slice(2);
const cases = spread(file === "" ? heldOut() : humanEvalCases(readFileSync(file)), Number(count));
const layouts = Object.entries(LAYOUTS).filter(([name]) => new RegExp(pattern).test(name));
const counts = new Map(layouts.map(([name]) => [name, { gaps: 0, right: 0, exact: 0, ended: 0, repeats: 0, past: 0 }]));
const tally = new Tally();
const folder = temporaryFolder();
const server = await startServer({ args: ["--context", "2048", "--slots", "1", "--config", await configuration()] });
try {
  await eventually("the models are loaded", async () => (await get(server.url, "/ready")).status === 200, 120_000);
  // Gap by gap: layouts that begin the same are read from the cache.
  for (const [index, infill] of cases.entries()) {
    for (const [name, render] of layouts) {
      const counted = counts.get(name);
      if (counted !== undefined) countIn(counted, infill, await answerTo(render(infill)));
    }
    if ((index + 1) % 10 === 0 || index + 1 === cases.length) printTable();
  }
  await tally.check("most single lines are begun right", async () => {
    const [first] = counts.values();
    const right = first?.right ?? 0;
    expectThat(right >= LEAST_RIGHT * cases.length, `${right} of ${cases.length}`);
    return `${right} of ${cases.length}`;
  });
} finally {
  await server.stop();
  folder.remove();
}
tally.finish();

/** JSON is YAML. */
async function configuration(): Promise<string> {
  const weights = await qwenWeights();
  const wanted = Object.entries(CONFIGURED);
  const path = join(folder.path, "continuo.yaml");
  const fim_layouts = Object.fromEntries(wanted.map(([name, layout]) => [name, { ...QWEN, healing: true, ...layout }]));
  const others = wanted.map(([name]) => [name, { file: weights, fim: name, load: "first_use" }]);
  writeFileSync(path, JSON.stringify({ fim_layouts, models: { qwen: weights, ...Object.fromEntries(others) } }));
  return path;
}

function spread(all: readonly InfillCase[], wanted: number): readonly InfillCase[] {
  const length = Math.min(wanted, all.length);
  return Array.from({ length }, (_, index) => all.slice(Math.floor(((index + 0.5) * all.length) / length))[0]).filter(
    (infill) => infill !== undefined,
  );
}

function printTable(): void {
  print("| layout | gaps | line right | exact | ended by itself | repeats the suffix | runs past |");
  print("| ------ | ---: | ---------: | ----: | --------------: | -----------------: | --------: |");
  for (const [name, counted] of counts) print(`| ${[name, ...Object.values(counted)].join(" | ")} |`);
}

function heldOut(): readonly InfillCase[] {
  const cases = ownCases(readFileSync(new URL("../../eval/held-out.jsonl", import.meta.url)));
  return cases.filter(({ kind }) => kind === "single-line");
}

function completion(what: Readonly<Record<string, unknown>>): Request {
  return { path: "/v1/completions", body: { gap_end: false, ...what } };
}

function marked({ prefix, suffix }: InfillCase): string {
  return `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`;
}

function fileName({ language }: InfillCase): string {
  return language === "python" ? "main.py" : "main.ts";
}

async function answerTo({ path, body }: Request): Promise<Json> {
  const answer = await post(server.url, path, { model: "qwen", max_tokens: TOKENS, temperature: 0, ...body });
  expectThat(answer.status === 200, answer.text);
  return answer.json;
}

function countIn(counts: Counts, { middle, suffix }: InfillCase, answer: Json): void {
  const text = textOf(answer);
  const isEnded = answer.choices[0].finish_reason === "stop";
  const line = text.split("\n").find((each) => each.trim() !== "") ?? "";
  counts.gaps += 1;
  counts.right += Number(line.trim() === middle.trimEnd().split("\n")[0]?.trim());
  counts.exact += Number(text.trimEnd() === middle.trimEnd());
  counts.ended += Number(isEnded);
  counts.repeats += Number(goesOnInto(text, suffix) && !goesOnInto(middle, suffix));
  counts.past += Number(text.startsWith(middle.trimEnd()) && text.slice(middle.trimEnd().length).trim() !== "");
}
