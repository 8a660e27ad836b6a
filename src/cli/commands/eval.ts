import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Command, Option } from "commander";
import { Evaluation, type State } from "../../eval/evaluation.ts";
import { humanEvalCases, type InfillCase, KINDS, type Kind, ownCases } from "../../eval/infill-case.ts";
import { passesTests } from "../../eval/python-check.ts";
import { reportJson, reportText, settingName } from "../../eval/report.ts";
import { ORDERS, type Order, type Setting, STYLES, type Style } from "../../eval/request.ts";
import { AnswersFile } from "../answers-file.ts";
import type { Service } from "../client.ts";
import { completerOf } from "../completer.ts";
import { CommandFailure, EXIT } from "../failure.ts";
import { listOf, wholeNumber } from "../option-values.ts";
import { assertOneService, chooseModel, DEFAULT_URL, untilInterrupted, withService } from "../service.ts";
import { Pace, whileShowing } from "../status-line.ts";
import { outputTo, say } from "../terminal.ts";
import { addPerplexityCommand } from "./eval-perplexity.ts";

interface EvalOptions {
  readonly url?: string;
  readonly model?: string;
  readonly modelFile?: string;
  readonly set?: string;
  readonly humaneval?: string;
  readonly style: readonly Style[];
  readonly order: Order;
  readonly healing: keyof typeof HEALINGS;
  readonly kinds: readonly Kind[];
  readonly language?: readonly string[];
  readonly limit?: number;
  readonly concurrency: number;
  readonly maxTokens: number;
  readonly execute?: boolean;
  readonly json?: boolean;
  readonly out?: string;
  readonly resume?: boolean;
}

/** The set that comes with the program: from `src/` and from `dist/` it lies at the same distance. */
const HELD_OUT = fileURLToPath(new URL("../../../eval/held-out.jsonl", import.meta.url));

const HEALINGS = { default: [undefined], on: [true], off: [false], both: [true, false] } as const;

const EXAMPLES = `
Examples:
  The local server, its first model with fill-in-the-middle, the built-in set:
    $ continuo eval

  A model file, without a server, with four parallel requests:
    $ continuo eval --model-file coder.gguf --concurrency 4

  A model without fill-in-the-middle: continuing the prefix alone
    $ continuo eval --style raw --kinds single-line,mid-word

  Cursors inside words, with token healing and without:
    $ continuo eval --kinds mid-word --style suffix,raw --healing both

  HumanEval-Infilling, from a file you have downloaded; --execute runs what the model wrote:
    $ continuo eval --humaneval HumanEval-SingleLineInfilling.jsonl.gz --execute

  A long evaluation that can be interrupted and resumed:
    $ continuo eval --humaneval HumanEval-RandomSpanInfilling.jsonl.gz --out answers.jsonl --resume

Works with any server that has OpenAI's completions route. Set CONTINUO_API_KEY if it needs a key.
With parallel requests, the times are those of a shared server.
Ctrl-C stops and prints the results so far.`;

/** Adds `continuo eval` to the program. */
export function addEvalCommand(program: Command): void {
  const command = program
    .command("eval")
    .summary("score a model's fill-in-the-middle on held-out code")
    .description("Lets a model fill gaps whose original text is known, greedily, and scores the answers.")
    .option("--url <url>", `server to ask, a URL or unix:PATH (default: CONTINUO_URL or ${DEFAULT_URL})`)
    .option("--model <name>", "model to call (default: the first one with fill-in-the-middle)")
    .option("--model-file <file>", "score this GGUF file, without a server")
    .option("--set <file>", "cases, JSON Lines (default: the built-in held-out set)")
    .addOption(new Option("--humaneval <file>", "cases of HumanEval-Infilling, .jsonl or .jsonl.gz").conflicts("set"))
    .addOption(
      new Option("--style <list>", `request styles, comma-separated: ${STYLES.join(", ")}`)
        .argParser(listOf(STYLES))
        .default(["prompt", "suffix"], "prompt,suffix"),
    )
    .addOption(
      new Option("--order <order>", "order of prefix and suffix, for style prompt").choices(ORDERS).default("psm"),
    )
    .addOption(
      new Option("--healing <how>", "token healing")
        .choices(Object.keys(HEALINGS))
        .default("default", "the model's own"),
    )
    .addOption(
      new Option("--kinds <list>", `kinds of gaps, comma-separated: ${KINDS.join(", ")}`)
        .argParser(listOf(KINDS))
        .default(KINDS, "all"),
    )
    .option("--language <list>", "languages, comma-separated: python, typescript (default: all)", (text: string) =>
      text.split(","),
    )
    .option("--limit <n>", "only the first n cases", wholeNumber(1))
    .option("--concurrency <n>", "parallel requests", wholeNumber(1), 1)
    .option("--max-tokens <n>", "maximum tokens per answer", wholeNumber(1), 160)
    .option("--execute", "run the completed programs with their tests: CODE THAT THE MODEL WROTE runs on this machine")
    .option("--json", "print JSON")
    .option("--out <file>", "write every answer with its scores as it arrives, JSON Lines")
    .option("--resume", "continue with the answers in --out; these are not requested again")
    .addHelpText("after", EXAMPLES)
    .action(evaluate);
  addPerplexityCommand(command);
}

async function evaluate(options: EvalOptions): Promise<void> {
  const { modelFile, url } = options;
  assertOneService(modelFile, url);
  if (options.resume === true && options.out === undefined) {
    throw new CommandFailure("--resume needs the file to go on with: name it with --out", EXIT.usage);
  }
  const cases = await casesOf(options);
  await untilInterrupted((signal) =>
    withService({ modelFile, url }, signal, async (service) => {
      const needsInfill = options.style.some((style) => style !== "raw");
      const model = options.model ?? (await chooseModel(service, needsInfill, signal)).id;
      await evaluateModel(service, model, cases, options, signal);
    }),
  );
}

/** Prints the report of what was measured, also where the evaluation ends early. */
async function evaluateModel(
  service: Service,
  model: string,
  cases: readonly InfillCase[],
  options: EvalOptions,
  signal: AbortSignal,
): Promise<void> {
  const settings = settingsOf(options);
  const { out, resume = false, concurrency, execute: isExecuted = false } = options;
  const file = out === undefined ? undefined : new AnswersFile(out, { model, cases, settings, isExecuted }, resume);
  const evaluation = new Evaluation({
    ...{ cases, settings, concurrency, complete: completerOf(service, model), earlier: file?.earlier ?? [] },
    record: (result) => file?.record(result),
    ...(isExecuted && { check: passesTests }),
  });
  if (resume) say(`Going on with ${evaluation.state.done} of ${evaluation.state.total} answers in ${out}.`);
  const pace = new Pace(evaluation.state.done);
  try {
    await whileShowing(
      () => stateText(evaluation.state, pace),
      () => evaluation.run(refuse, signal),
    );
  } catch (error) {
    if (evaluation.state.done === 0) throw error;
    await print(model, evaluation, options);
    say(goOnText(options));
    throw error;
  } finally {
    file?.close();
  }
  await print(model, evaluation, options);
}

async function print(model: string, { runs, state }: Evaluation, { json }: EvalOptions): Promise<void> {
  const output = outputTo(process.stdout);
  await output.write(json === true ? reportJson(model, runs, state) : reportText(model, runs, state));
  output.end();
}

function stateText({ setting, results, exact, cases, done, total }: State, pace: Pace): string {
  if (setting === undefined) return "";
  const score = exact === undefined ? "" : `, exact ${(100 * exact).toFixed(1)} %`;
  const part = total === cases ? "" : `, ${results} of ${cases}`;
  // A narrow terminal cuts the end.
  return `${done} of ${total}, ${pace.text(done, total)}${score} (${settingName(setting)}${part})`;
}

function goOnText({ out }: EvalOptions): string {
  return out === undefined
    ? "The figures above are of a part. With --out FILE answers are kept, and --resume goes on with them."
    : `The figures above are of a part. The answers are in ${out}; the same command with --resume goes on.`;
}

function refuse(setting: Setting, reason: string): never {
  throw new CommandFailure(`${settingName(setting)}: ${reason}`);
}

function settingsOf({ style: styles, order, healing, maxTokens }: EvalOptions): readonly Setting[] {
  return styles.flatMap((style) =>
    HEALINGS[healing].map((isHealing) => ({ style, order, healing: isHealing, maxTokens })),
  );
}

async function casesOf({
  set,
  humaneval,
  kinds,
  language,
  limit,
  execute,
}: EvalOptions): Promise<readonly InfillCase[]> {
  if (execute === true && humaneval === undefined) {
    throw new CommandFailure("--execute needs programs with tests: name a file with --humaneval", EXIT.usage);
  }
  if (execute === true && process.platform === "win32") {
    throw new CommandFailure("--execute needs the process limits of Linux or macOS; leave it out", EXIT.usage);
  }
  const all =
    humaneval === undefined ? ownCases(await bytesOf(set ?? HELD_OUT)) : humanEvalCases(await bytesOf(humaneval));
  const wanted = all.filter(
    (infill) => kinds.includes(infill.kind) && (language === undefined || language.includes(infill.language)),
  );
  if (wanted.length === 0) {
    throw new CommandFailure("no case is of these kinds and languages; leave out --kinds or --language", EXIT.usage);
  }
  return wanted.slice(0, limit);
}

async function bytesOf(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = (error as { readonly code?: string }).code ?? String(error);
    throw new CommandFailure(`cannot read the cases in ${path} (${reason})`, EXIT.usage);
  }
}
