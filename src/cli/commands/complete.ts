import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import type { Command } from "commander";
import type { LeftOut, Sides } from "../around-cursor.ts";
import { type ListedModel, modelNamed, type Piece, type Service, streamFrom } from "../client.ts";
import { type CompleteOptions, requestOf, type Task, taskFrom } from "../completion-task.ts";
import { leftOutText, streamFitting } from "../fitting-request.ts";
import { decimal, wholeNumber } from "../option-values.ts";
import { assertOneService, chooseModel, DEFAULT_URL, untilInterrupted, withService } from "../service.ts";
import { outputTo, say } from "../terminal.ts";

const EXAMPLES = `
Examples:
  Fill in at line 12, column 5 of a file (counted from 1, in characters):
    $ continuo complete src/app.py:12:5

  The same without a server:
    $ continuo complete src/app.py:12:5 --model-file qwen2.5-coder-1.5b-q8_0.gguf

  Continue standard input, or a text up to the first empty line:
    $ head -20 notes.md | continuo complete --max-tokens 64
    $ continuo complete --prompt 'def quick_sort(arr):' --stop $'\\n\\n'

  Fill the gap before another text:
    $ continuo complete --prompt 'def mean(xs):' --suffix rest.py

  Continue the beginning of an answer (Partial Mode):
    $ continuo complete --user 'Write a line about spring.' --prefix 'In spring'

If a text is longer than the model's context, whole lines next to the cursor are sent, three quarters of them from before
it; a message on standard error says what was left out.
Only the continuation goes to standard output. Ctrl-C also stops the work of the server.
Set CONTINUO_API_KEY for a server with keys, --url or CONTINUO_URL for another server.`;

/** Adds `continuo complete` to the program. */
export function addCompleteCommand(program: Command): void {
  program
    .command("complete")
    .summary("continue a text, fill in at a cursor, or continue an answer")
    .description("Sends one request to a Continuo server and prints the continuation as it arrives.")
    .argument(
      "[location]",
      "FILE:LINE:COLUMN to fill in at, or FILE:LINE for the end of a line, or - for standard input",
    )
    .option("--prompt <text>", "continue this text")
    .option("--suffix <file>", "the text after the gap, with --prompt or standard input")
    .option("--user <text>", "user message of a dialogue")
    .option("--prefix <text>", "beginning of the answer, with --user")
    .option("--system <text>", "system message of the dialogue, with --user")
    .option("--model <name>", "model to call (default: the first one with weights)")
    .option("--max-tokens <n>", "maximum tokens to generate", wholeNumber(1), 256)
    .option("--temperature <n>", "0 is greedy (default: the model's)", decimal)
    .option("--seed <n>", "seed for sampling; the same request and seed give the same text", wholeNumber(0))
    .option("--stop <text>", "stop before this text; repeatable", (text, all: string[] = []) => [...all, text])
    .option(
      "--whole",
      "refuse a text that is longer than the model's context, instead of sending what is next to the cursor",
    )
    .option("--url <url>", `server to ask, a URL or unix:PATH (default: CONTINUO_URL or ${DEFAULT_URL})`)
    .option("--model-file <file>", "load this GGUF file for this request, without a server")
    .addHelpText("after", EXAMPLES)
    .action(complete);
}

async function complete(location: string | undefined, options: CompleteOptions): Promise<void> {
  const texts = {
    readFile: (path: string) => readFile(path),
    readStdin: () => buffer(process.stdin),
    isStdinTerminal: process.stdin.isTTY === true,
  };
  const { modelFile, url } = options;
  assertOneService(modelFile, url);
  const task = await taskFrom(location, options, texts);
  await untilInterrupted((signal) =>
    withService({ modelFile, url }, signal, (service) => print(service, task, options, signal)),
  );
}

async function print(service: Service, task: Task, options: CompleteOptions, signal: AbortSignal): Promise<void> {
  const needsInfill = task.kind === "text" && task.suffix !== "";
  const model = await (options.model === undefined
    ? chooseModel(service, needsInfill, signal)
    : modelNamed(service, options.model, signal));
  const output = outputTo(process.stdout);
  try {
    for await (const piece of answerTo(service, task, model, options, signal)) {
      if ("text" in piece) await output.write(piece.text);
      else if ("finish" in piece && piece.finish === "length" && process.stderr.isTTY)
        say(`\n(stopped after ${options.maxTokens} tokens, or where the context is full; --max-tokens allows more)`);
    }
  } finally {
    output.end();
  }
}

/** A dialogue is sent as it is; of a text, what is next to the cursor. */
function answerTo(
  service: Service,
  task: Task,
  { id, continuo }: ListedModel,
  options: CompleteOptions,
  signal: AbortSignal,
): AsyncGenerator<Piece> {
  if (task.kind === "chat" || options.whole === true) return streamFrom(service, requestOf(task, id, options), signal);
  const fitting = {
    contextTokens: continuo?.context_length ?? undefined,
    maxTokens: options.maxTokens,
    requestOf: (sides: Sides) => requestOf({ kind: "text", ...sides }, id, options),
    onCut: (leftOut: LeftOut, contextTokens: number | undefined) =>
      say(`${leftOutText(leftOut, contextTokens)} (--whole refuses such a text)`),
  };
  return streamFitting(service, task, fitting, signal);
}
