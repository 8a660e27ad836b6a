/** The command line of bench/compare.ts. */
import { parseArgs } from "node:util";

const USAGE =
  "usage: LLAMA_SERVER=FILE npx tsx bench/compare.ts [MODEL.gguf] [--repetitions 3] [--threads N] [--only WORD …] [--real FILE] [--json]";

export interface CompareOptions {
  /** Path of llama-server. */
  readonly program: string;
  readonly model?: string;
  /** Real weights for one more copying measure. */
  readonly real?: string;
  /** Words of the names of the measures to run; none: all. */
  readonly only: readonly string[];
  readonly repetitions: number;
  readonly threads?: number;
  readonly json: boolean;
}

/** Ends the process with its usage when the command line makes no sense. */
export function options(): CompareOptions {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        repetitions: { type: "string", default: "3" },
        threads: { type: "string" },
        only: { type: "string", multiple: true, default: [] },
        real: { type: "string" },
        json: { type: "boolean", default: false },
      },
    });
    const program = process.env["LLAMA_SERVER"];
    const [model] = positionals;
    if (program === undefined) throw new Error("LLAMA_SERVER names no program");
    return {
      ...{ program, only: values.only, json: values.json, repetitions: positive(values.repetitions) },
      ...(model !== undefined && { model }),
      ...(values.real !== undefined && { real: values.real }),
      ...(values.threads !== undefined && { threads: positive(values.threads) }),
    };
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
    process.exit(2);
  }
}

/** Throws for anything but a whole number of at least 1. */
export function positive(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`expected a whole number of at least 1, found "${text}"`);
}
