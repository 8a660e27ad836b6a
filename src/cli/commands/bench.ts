import type { Command } from "commander";
import { type Figures, measure } from "../bench/measure.ts";
import { type Verdict, verdicts } from "../bench/verdict.ts";
import { type ListedModel, type Service, servedModels } from "../client.ts";
import { wholeNumber } from "../option-values.ts";
import { assertOneService, chooseModel, DEFAULT_URL, untilInterrupted, withService } from "../service.ts";
import { outputTo, say } from "../terminal.ts";

interface BenchOptions {
  readonly url?: string;
  readonly model?: string;
  readonly modelFile?: string;
  readonly streams: number;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  The server that runs here, its first model:
    $ continuo bench

  A model file, without a server:
    $ continuo bench --model-file qwen2.5-coder-1.5b-q8_0.gguf

  Another server, for a program:
    $ continuo bench --url http://192.168.1.5:8100 --model coder --json

The figures are those of the whole way, HTTP included, and of a server with nothing else to do. Ctrl-C stops.`;

/** Adds `continuo bench` to the program. */
export function addBenchCommand(program: Command): void {
  program
    .command("bench")
    .summary("measure a server and its model, and say what the figures mean")
    .description("Measures first token, prompt and answer speed, several answers at once, and a series of typing.")
    .option("--url <url>", `server to measure, a URL or unix:PATH (default: CONTINUO_URL or ${DEFAULT_URL})`)
    .option("--model <name>", "model to call (default: the first one that fills in)")
    .option("--model-file <file>", "measure this GGUF file, without a server")
    .option("--streams <n>", "answers at the same time", wholeNumber(2), 4)
    .option("--json", "for programs")
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

async function measureAt(service: Service, options: BenchOptions, signal: AbortSignal): Promise<void> {
  const { id: model, continuo } = await subjectOf(service, options.model, signal);
  const fim = continuo?.capabilities.fim === true;
  const progress = process.stderr.isTTY ? (what: string) => say(`${what} …`) : undefined;
  const figures = await measure({ service, model, fim, streams: options.streams }, signal, progress);
  const output = outputTo(process.stdout);
  await output.write(options.json === true ? jsonOf(model, figures) : table(model, verdicts(figures)));
  output.end();
}

/** A name that the server does not list is tried nevertheless: what it says to that is the best answer. */
async function subjectOf(service: Service, name: string | undefined, signal: AbortSignal): Promise<ListedModel> {
  if (name === undefined) return chooseModel(service, true, signal);
  const served = await servedModels(service, signal);
  return served.find(({ id }) => id === name) ?? { id: name };
}

function jsonOf(model: string, figures: Figures): string {
  return `${JSON.stringify({ model, ...figures, verdicts: verdicts(figures) }, null, 2)}\n`;
}

/** Columns of equal width, the verdict last. */
export function table(model: string, rows: readonly Verdict[]): string {
  const [measures, figures] = [rows.map((row) => row.measure), rows.map((row) => row.figure)];
  const width = (texts: readonly string[]): number => Math.max(...texts.map((text) => text.length));
  const [left, middle] = [width(measures), width(figures)];
  const lines = rows.map(
    ({ measure: name, figure, verdict }) => `${name.padEnd(left)}  ${figure.padStart(middle)}  ${verdict}`,
  );
  return [model, "", ...lines, ""].join("\n");
}
