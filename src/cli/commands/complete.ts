import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { type Command, InvalidArgumentError } from "commander";
import { loadConfig } from "../../config/load.ts";
import { processSurroundings } from "../../config/surroundings.ts";
import { type Service, servedModels, streamFrom } from "../client.ts";
import { type CompleteOptions, requestOf, type Task, taskFrom } from "../completion-task.ts";
import { CommandFailure, EXIT } from "../failure.ts";
import { outputTo, say } from "../terminal.ts";

const DEFAULT_URL = "http://127.0.0.1:8100";

const EXAMPLES = `
Examples:
  Fill in at line 12, column 5 of a file (counted from 1, in characters):
    $ continuo complete src/app.py:12:5

  The same without a server:
    $ continuo complete src/app.py:12:5 --model-file qwen2.5-coder-1.5b-q8_0.gguf

  Continue what is piped in, or a text, up to the first empty line:
    $ head -20 notes.md | continuo complete --max-tokens 64
    $ continuo complete --prompt 'def quick_sort(arr):' --stop $'\\n\\n'

  Fill the gap before another text:
    $ continuo complete --prompt 'def mean(xs):' --suffix rest.py

  Continue the beginning of an answer (Partial Mode):
    $ continuo complete --user 'Write a line about spring.' --prefix 'In spring'

Only the continuation goes to standard output. Ctrl-C stops the server's work, too.
A server with keys: CONTINUO_API_KEY. Another server: --url or CONTINUO_URL.`;

/** Adds `continuo complete` to the program. */
export function addCompleteCommand(program: Command): void {
  program
    .command("complete")
    .summary("continue a text, fill in at a cursor, or go on with an answer")
    .description("Sends one request to a Continuo server and prints the continuation as it arrives.")
    .argument(
      "[location]",
      "FILE:LINE:COLUMN to fill in at, or FILE:LINE for the end of a line, or - for standard input",
    )
    .option("--prompt <text>", "continue this text")
    .option("--suffix <file>", "the text after the gap, with --prompt or standard input")
    .option("--user <text>", "ask this in a dialogue")
    .option("--prefix <text>", "how the answer begins, with --user")
    .option("--system <text>", "instructions of the dialogue, with --user")
    .option("--model <name>", "model to call (default: the first one with weights)")
    .option("--max-tokens <n>", "most tokens to generate", wholeNumber(1), 256)
    .option("--temperature <n>", "0 is greedy (default: the model's)", decimal)
    .option("--seed <n>", "same seed, same text, as far as possible", wholeNumber(0))
    .option("--stop <text>", "stop before this text; may be given several times", (text, all: string[] = []) => [
      ...all,
      text,
    ])
    .option("--url <url>", `server to ask (default: CONTINUO_URL or ${DEFAULT_URL})`)
    .option("--model-file <file>", "run this GGUF file for the one request, without a server")
    .addHelpText("after", EXAMPLES)
    .action(complete);
}

async function complete(location: string | undefined, options: CompleteOptions): Promise<void> {
  if (options.modelFile !== undefined && options.url !== undefined) {
    throw new CommandFailure("choose one of --url and --model-file: a server, or none", EXIT.usage);
  }
  const texts = {
    readFile: (path: string) => readFile(path),
    readStdin: () => buffer(process.stdin),
    isStdinTerminal: process.stdin.isTTY === true,
  };
  const task = await taskFrom(location, options, texts);
  const abort = new AbortController();
  const interrupt = (): void => abort.abort(new CommandFailure("interrupted", EXIT.interrupted));
  process.on("SIGINT", interrupt).on("SIGTERM", interrupt);
  try {
    if (options.modelFile === undefined) await print(serviceFrom(options), task, options, abort.signal);
    else await withOwnServer(options.modelFile, abort.signal, (service) => print(service, task, options, abort.signal));
  } finally {
    process.off("SIGINT", interrupt).off("SIGTERM", interrupt);
  }
}

async function print(service: Service, task: Task, options: CompleteOptions, signal: AbortSignal): Promise<void> {
  const model = options.model ?? (await chooseModel(service, task, signal));
  const output = outputTo(process.stdout);
  try {
    for await (const piece of streamFrom(service, requestOf(task, model, options), signal)) {
      if ("text" in piece) await output.write(piece.text);
      else if (piece.finish === "length" && process.stderr.isTTY)
        say(`\n(stopped after ${options.maxTokens} tokens; --max-tokens allows more)`);
    }
  } finally {
    output.end();
  }
}

async function chooseModel(service: Service, task: Task, signal: AbortSignal): Promise<string> {
  const served = await servedModels(service, signal);
  const needsInfill = task.kind === "text" && task.suffix !== "";
  const chosen = served.find(({ continuo }) => !needsInfill || continuo?.capabilities.fim === true) ?? served[0];
  if (chosen === undefined) {
    throw new CommandFailure(
      `the server at ${service.url} has no model; start it with \`continuo serve --model FILE\``,
    );
  }
  return chosen.id;
}

function serviceFrom({ url }: CompleteOptions): Service {
  const given = url ?? (process.env["CONTINUO_URL"] || DEFAULT_URL);
  if (!URL.canParse(given))
    throw new CommandFailure(`expected a URL such as ${DEFAULT_URL}, found "${given}"`, EXIT.usage);
  const apiKey = process.env["CONTINUO_API_KEY"];
  return { url: given.replace(/\/+$/, "").replace(/\/v1$/, ""), ...(apiKey ? { apiKey } : {}) };
}

/** A server of our own on a free loopback port, for as long as `use` runs. The environment of a real server has no say in it. */
async function withOwnServer(
  file: string,
  signal: AbortSignal,
  use: (service: Service) => Promise<void>,
): Promise<void> {
  const { CONTINUO_DATA_DIR, XDG_DATA_HOME, LOCALAPPDATA } = process.env; // where pulled models are
  const config = loadConfig(
    { model: [file], port: "0", host: "127.0.0.1", logLevel: "silent" },
    { ...processSurroundings(), env: { CONTINUO_DATA_DIR, XDG_DATA_HOME, LOCALAPPDATA } },
  );
  if (process.stderr.isTTY) say(`loading ${file} …`);
  const { createServer } = await import("../../server.ts");
  const server = await createServer(config);
  try {
    await Promise.race([server.ready(), rejectWhenAborted(signal)]);
    await use({ url: server.url });
  } finally {
    await server.close();
  }
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
  };
}

function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number.");
}
