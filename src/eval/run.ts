/** Asks a server every case in one setting. */
import type { InfillCase } from "./infill-case.ts";
import { completionBody, type Setting } from "./request.ts";
import { type Answer, type Score, scoreOf } from "./score.ts";

/** One completions request. Rejects where the server refuses or breaks off. */
export type Complete = (body: Readonly<Record<string, unknown>>, signal: AbortSignal) => Promise<Answer>;

/** Whether the completed program passes its tests; undefined where the case has none. */
export type Check = (infill: InfillCase, completion: string, signal: AbortSignal) => Promise<boolean | undefined>;

export interface Result {
  readonly infill: InfillCase;
  readonly setting: Setting;
  /** Absent where the request failed; `error` says why. */
  readonly answered?: { readonly answer: Answer; readonly score: Score; readonly passed?: boolean };
  readonly error?: string;
}

export interface Run {
  readonly cases: readonly InfillCase[];
  readonly setting: Setting;
  /** Requests at the same time. */
  readonly concurrency: number;
  readonly complete: Complete;
  readonly check?: Check;
  /** Hears each result as it comes. What it throws ends the run. */
  readonly report?: (result: Result) => void;
}

/** Results in the order of the cases. A request that fails is a result; an abort ends the run with its reason. */
export async function runCases(run: Run, signal: AbortSignal): Promise<readonly Result[]> {
  const results: Result[] = [];
  const queue = run.cases.entries();
  const failure = new AbortController();
  const stop = AbortSignal.any([signal, failure.signal]);
  const work = async (): Promise<void> => {
    for (const [index, infill] of queue) {
      const result = await resultOf(infill, run, stop);
      results[index] = result;
      run.report?.(result);
    }
  };
  try {
    await Promise.all(Array.from({ length: run.concurrency }, work));
  } finally {
    failure.abort(); // what one worker throws ends the others
  }
  return results;
}

async function resultOf(infill: InfillCase, { setting, complete, check }: Run, signal: AbortSignal): Promise<Result> {
  try {
    const answer = await complete(completionBody(infill, setting), signal);
    const score = scoreOf(infill, setting.style, answer);
    const passed = await check?.(infill, answer.text, signal);
    return { infill, setting, answered: { answer, score, ...(passed === undefined ? {} : { passed }) } };
  } catch (error) {
    signal.throwIfAborted();
    return { infill, setting, error: error instanceof Error ? error.message : String(error) };
  }
}
