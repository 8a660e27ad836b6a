/** Cases to fill in: what stands on each side of a gap, and what stood in it. */
import { gunzipSync } from "node:zlib";
import { z } from "zod";
import { ServiceError } from "../errors.ts";

export const KINDS = ["single-line", "multi-line", "random-span", "mid-word"] as const;
export type Kind = (typeof KINDS)[number];

export interface InfillCase {
  readonly id: string;
  readonly language: string;
  readonly kind: Kind;
  readonly prefix: string;
  readonly middle: string;
  readonly suffix: string;
  /** Python that follows the completed text, and the function it calls; of cases that can be executed. */
  readonly check?: { readonly test: string; readonly entryPoint: string };
}

/** A line of our own sets (`eval/README.md`). */
const ownLine = z.object({
  id: z.string(),
  language: z.string(),
  kind: z.enum(KINDS),
  prefix: z.string(),
  middle: z.string(),
  suffix: z.string(),
});

/** A line of HumanEval-Infilling's files. */
const humanEvalLine = z.object({
  task_id: z.string(),
  prompt: z.string(),
  suffix: z.string(),
  canonical_solution: z.string(),
  test: z.string(),
  entry_point: z.string(),
});

/** How HumanEval-Infilling's task ids begin. */
const HUMAN_EVAL_KINDS: Readonly<Record<string, Kind>> = {
  SingleLineInfilling: "single-line",
  MultiLineInfilling: "multi-line",
  RandomSpanInfilling: "random-span",
  RandomSpanInfillingLight: "random-span",
};

/** @param bytes JSON Lines, with gzip or without. Throws `invalid_parameter` with the number of the line that is none. */
export function ownCases(bytes: Uint8Array): readonly InfillCase[] {
  return jsonLines(bytes, ownLine);
}

/** The same for a file of HumanEval-Infilling. */
export function humanEvalCases(bytes: Uint8Array): readonly InfillCase[] {
  return jsonLines(bytes, humanEvalLine).map((line) => ({
    id: line.task_id,
    language: "python",
    kind: HUMAN_EVAL_KINDS[line.task_id.split("/")[0] ?? ""] ?? "multi-line",
    prefix: line.prompt,
    middle: line.canonical_solution,
    suffix: line.suffix,
    check: { test: line.test, entryPoint: line.entry_point },
  }));
}

/** One value per line that is not blank. */
export function jsonLines<Value>(bytes: Uint8Array, schema: z.ZodType<Value>): readonly Value[] {
  const isGzip = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const text = new TextDecoder().decode(isGzip ? gunzipSync(bytes) : bytes);
  return text.split("\n").flatMap((line, index) => (line.trim() === "" ? [] : [parseLine(line, index + 1, schema)]));
}

/** The gap ends where its line ends. */
export function isWithinLine({ kind }: InfillCase): boolean {
  return kind === "single-line" || kind === "mid-word";
}

function parseLine<Value>(line: string, number: number, schema: z.ZodType<Value>): Value {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (cause) {
    throw new ServiceError(
      "invalid_parameter",
      `line ${number}: expected a JSON object, found "${line.slice(0, 40)}"`,
      {
        cause,
      },
    );
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new ServiceError("invalid_parameter", `line ${number}: ${issue?.path.join(".")}: ${issue?.message}`);
}
