/** Answers as lines of a file: to look at, and to go on with where an evaluation was stopped. */
import { z } from "zod";
import { ServiceError } from "../errors.ts";
import type { InfillCase } from "./infill-case.ts";
import { ORDERS, type Setting, STYLES } from "./request.ts";
import type { Result } from "./run.ts";
import { scoreOf } from "./score.ts";

/** What is read back of a line; scores are computed anew. */
const lineSchema = z.object({
  model: z.string(),
  id: z.string(),
  style: z.enum(STYLES),
  order: z.enum(ORDERS),
  healing: z.boolean().optional(),
  maxTokens: z.int(),
  middle: z.string(),
  text: z.string().optional(),
  finish: z.string().optional(),
  firstMs: z.number().optional(),
  lastMs: z.number().optional(),
  tokens: z.number().optional(),
  passed: z.boolean().optional(),
});

type Line = z.output<typeof lineSchema>;

/** One line of JSON: the answer, its scores, how it was asked for, and what it should have been. */
export function answerLine(model: string, { infill, setting, answered, error }: Result): string {
  const { id, kind, language, middle } = infill;
  const outcome = { ...answered?.answer, ...answered?.score, passed: answered?.passed, error };
  return `${JSON.stringify({ model, id, kind, language, ...setting, middle, ...outcome })}\n`;
}

/** What an evaluation is about to ask. */
export interface Asked {
  readonly model: string;
  readonly cases: readonly InfillCase[];
  readonly settings: readonly Setting[];
  /** Programs are run, so an answer of which that is not known has to be given again. */
  readonly isExecuted: boolean;
}

/** The text up to the end of its last whole line: an evaluation that was killed may have left a part of one. */
export function wholeLines(text: string): string {
  return text.slice(0, text.lastIndexOf("\n") + 1);
}

/**
 * The results in lines that `answerLine` wrote. Requests that failed are not among them.
 *
 * @throws ServiceError `invalid_parameter` where a line belongs to something else: figures must not be mixed
 */
export function earlierResults(lines: string, asked: Asked): readonly Result[] {
  return lines
    .split("\n")
    .flatMap((line, index) => (line === "" ? [] : resultOf(parsed(line, index + 1), index + 1, asked)));
}

function parsed(line: string, number: number): Line {
  const found = lineSchema.safeParse(jsonIn(line));
  if (found.success) return found.data;
  throw refused(number, "is no answer of an evaluation");
}

/** Undefined for what is no JSON: the schema refuses it. */
function jsonIn(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function resultOf(line: Line, number: number, { model, cases, settings, isExecuted }: Asked): readonly Result[] {
  if (line.model !== model) throw refused(number, `is an answer of ${line.model}, and ${model} is asked`);
  const infill = cases.find(({ id, middle }) => id === line.id && middle === line.middle);
  const setting = settings.find(
    ({ style, order, healing, maxTokens }) =>
      style === line.style && order === line.order && healing === line.healing && maxTokens === line.maxTokens,
  );
  if (infill === undefined) throw refused(number, `answers a case that is not asked (${line.id})`);
  if (setting === undefined) throw refused(number, "was asked for with another style, order, healing or --max-tokens");
  const { text, finish, firstMs, lastMs, tokens, passed } = line;
  if (text === undefined || firstMs === undefined || lastMs === undefined || tokens === undefined) return [];
  if (isExecuted && infill.check !== undefined && passed === undefined) return [];
  const answer = { text, finish, firstMs, lastMs, tokens };
  const score = scoreOf(infill, setting.style, answer);
  return [{ infill, setting, answered: { answer, score, ...(passed === undefined ? {} : { passed }) } }];
}

function refused(number: number, reason: string): ServiceError {
  return new ServiceError(
    "invalid_parameter",
    `line ${number} ${reason}; give --resume the same cases, settings and model, or begin a new file`,
  );
}
