import type { Command } from "commander";
import { type Figures, type Listener, measure, STEPS } from "../bench/measure.ts";
import { type Verdict, verdicts } from "../bench/verdict.ts";
import { modelNamed, type Service } from "../client.ts";
import { wholeNumber } from "../option-values.ts";
import { assertOneService, chooseModel, DEFAULT_URL, untilInterrupted, withService } from "../service.ts";
import { Pace, whileShowing } from "../status-line.ts";
import { outputTo } from "../terminal.ts";

interface BenchOptions {
  readonly url?: string;
  readonly model?: string;
  readonly modelFile?: string;
  readonly streams: number;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  The local server, its first model:
    $ continuo bench

  A model file, without a server:
    $ continuo bench --model-file qwen2.5-coder-1.5b-q8_0.gguf

  Another server, as JSON:
    $ continuo bench --url http://192.168.1.5:8100 --model coder --json

The figures include HTTP, and assume that the server has nothing else to do.
Ctrl-C stops and prints the results so far.`;

/** Adds `continuo bench` to the program. */
export function addBenchCommand(program: Command): void {
  program
    .command("bench")
    .summary("measure the speed of a server and its model")
    .description(
      "Measures time to first token, prompt and generation speed, parallel answers, and typing in an editor.",
    )
    .option("--url <url>", `server to measure, a URL or unix:PATH (default: CONTINUO_URL or ${DEFAULT_URL})`)
    .option("--model <name>", "model to call (default: the first one with fill-in-the-middle)")
    .option("--model-file <file>", "measure this GGUF file, without a server")
    .option("--streams <n>", "parallel answers", wholeNumber(2), 4)
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(bench);
}

async function bench(options: BenchOptions): Promise<void> {
  const { modelFile, url } = options;
  assertOneService(modelFile, url);
  await untilInterrupted((signal) =>
    withService({ modelFile, url }, signal, (service) => measureAt(service, options, signal)),
  );
}

/** Prints what was measured, also where the measuring ends early. */
async function measureAt(service: Service, options: BenchOptions, signal: AbortSignal): Promise<void> {
  const { id: model, continuo } = await (options.model === undefined
    ? chooseModel(service, true, signal)
    : modelNamed(service, options.model, signal));
  const fim = continuo?.capabilities.fim === true;
  let figures: Partial<Figures> = {};
  let [what, steps] = ["", 0];
  const pace = new Pace();
  const listener: Listener = {
    next: (next) => {
      what = next;
      steps += 1;
    },
    measured: (more) => {
      figures = { ...figures, ...more };
    },
  };
  let isComplete = false;
  try {
    await whileShowing(
      () => `measuring ${steps} of ${STEPS}: ${what}, ${pace.text(0, STEPS)}`,
      () => measure({ service, model, fim, streams: options.streams }, signal, listener),
    );
    isComplete = true;
  } finally {
    if (verdicts(figures).length > 0) await print(model, figures, isComplete, options);
  }
}

async function print(
  model: string,
  figures: Partial<Figures>,
  complete: boolean,
  { json }: BenchOptions,
): Promise<void> {
  const rows = verdicts(figures);
  const title = complete ? model : `${model}, PARTIAL: stopped before everything was measured`;
  const output = outputTo(process.stdout);
  await output.write(
    json === true
      ? `${JSON.stringify({ model, complete, ...figures, verdicts: rows }, null, 2)}\n`
      : table(title, rows),
  );
  output.end();
}

/** Columns of equal width, the verdict last. */
export function table(title: string, rows: readonly Verdict[]): string {
  const [measures, figures] = [rows.map((row) => row.measure), rows.map((row) => row.figure)];
  const width = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));
  const [left, middle] = [width(measures), width(figures)];
  const lines = rows.map(
    ({ measure: name, figure, verdict }) => `${name.padEnd(left)}  ${figure.padStart(middle)}  ${verdict}`,
  );
  return [title, "", ...lines, ""].join("\n");
}
