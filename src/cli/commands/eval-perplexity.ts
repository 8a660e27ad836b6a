import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { echoBody, type LogLikelihood, logLikelihood, perplexityOf, scoredTexts } from "../../eval/perplexity.ts";
import { jsonFrom } from "../client.ts";
import { CommandFailure, EXIT } from "../failure.ts";
import { assertOneService, chooseModel, DEFAULT_URL, untilInterrupted, withService } from "../service.ts";
import { Pace, whileShowing } from "../status-line.ts";
import { outputTo } from "../terminal.ts";

interface PerplexityOptions {
  readonly url?: string;
  readonly model?: string;
  readonly modelFile?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Each line of the file is {"messages": [{"role": …, "content": …}, …]}, a dialogue in ChatML whose last message is scored,
including the end of its turn unless the line has "complete": false; or {"text": …}, which is scored as a whole except
for the first token.

Ctrl-C stops and prints the result of the texts scored so far.

The server must return log probabilities of the prompt ("echo" with "max_tokens": 0). Continuo does.

Example:
  $ continuo eval perplexity eval/chat-base.jsonl --model-file coder.gguf`;

/** Adds `perplexity` to `continuo eval`. */
export function addPerplexityCommand(parent: Command): void {
  parent
    .command("perplexity")
    .summary("compute the perplexity of given texts")
    .description("Computes the perplexity of given texts; lower is better. Nothing is generated.")
    .argument("<file>", "JSON Lines")
    .option("--url <url>", `server to ask, a URL or unix:PATH (default: CONTINUO_URL or ${DEFAULT_URL})`)
    .option("--model <name>", "model to call (default: the first one with weights)")
    .option("--model-file <file>", "score this GGUF file, without a server")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action((file: string, _options: PerplexityOptions, command: Command) =>
      measure(file, command.optsWithGlobals<PerplexityOptions>()),
    );
}

async function measure(file: string, options: PerplexityOptions): Promise<void> {
  const { url, modelFile, model: name } = options;
  assertOneService(modelFile, url);
  const texts = scoredTexts(await readFile(file).catch((cause) => unreadable(file, cause)));
  await untilInterrupted((signal) =>
    withService({ modelFile, url }, signal, async (service) => {
      const model = name ?? (await chooseModel(service, false, signal)).id;
      const scores: LogLikelihood[] = [];
      const pace = new Pace();
      try {
        await whileShowing(
          () => progressText(scores, texts.length, pace),
          async () => {
            for (const text of texts) {
              const answer = await jsonFrom(service, "/v1/completions", { model, ...echoBody(text.text) }, signal);
              scores.push(logLikelihood(answer, text));
            }
          },
        );
      } finally {
        // Of a part, too, where it ends early.
        if (scores.length > 0) await print(model, scores, texts.length, options);
      }
    }),
  );
}

function progressText(scores: readonly LogLikelihood[], total: number, pace: Pace): string {
  const { perplexity, tokens } = perplexityOf(scores);
  const score = tokens === 0 ? "" : `, perplexity ${perplexity.toFixed(3)}`;
  return `${scores.length} of ${total} texts, ${pace.text(scores.length, total)}${score}`;
}

async function print(
  model: string,
  scores: readonly LogLikelihood[],
  total: number,
  { json }: PerplexityOptions,
): Promise<void> {
  const result = { model, complete: scores.length === total, ...perplexityOf(scores) };
  const part = result.complete ? "" : `PARTIAL, ${scores.length} of ${total} texts: `;
  const line = `${part}${model}: perplexity ${result.perplexity.toFixed(3)} over ${result.tokens} tokens of ${result.texts} texts`;
  const output = outputTo(process.stdout);
  await output.write(json === true ? `${JSON.stringify(result)}\n` : `${line}\n`);
  output.end();
}

function unreadable(file: string, cause: unknown): never {
  const reason = (cause as { readonly code?: string }).code ?? String(cause);
  throw new CommandFailure(`cannot read the texts in ${file} (${reason})`, EXIT.usage);
}
