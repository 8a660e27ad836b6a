/** The file of `continuo eval --out`: it grows with every answer, and a later run can go on with it. */
import { closeSync, openSync, readFileSync, truncateSync, writeSync } from "node:fs";
import { type Asked, answerLine, earlierResults, wholeLines } from "../eval/answers.ts";
import type { Result } from "../eval/run.ts";
import { CommandFailure, EXIT } from "./failure.ts";

export class AnswersFile {
  readonly #path: string;
  readonly #model: string;
  readonly #file: number;
  /** Results that were there already. */
  readonly earlier: readonly Result[];

  /**
   * @param goesOn keep the answers that are there, and add to them; else there must be none
   * @throws CommandFailure where the file cannot be used, ServiceError where its answers belong to something else
   */
  constructor(path: string, asked: Asked, goesOn: boolean) {
    this.#path = path;
    this.#model = asked.model;
    const text = textOf(path);
    if (!goesOn && text !== "") {
      throw new CommandFailure(
        `${path} is not empty; go on with its answers with --resume, remove it, or choose another file with --out`,
        EXIT.usage,
      );
    }
    const kept = wholeLines(text);
    this.earlier = earlierResults(kept, asked);
    this.#file = attempt(path, () => {
      // A line that was cut off must not be continued.
      if (kept.length < text.length) truncateSync(path, Buffer.byteLength(kept));
      return openSync(path, "a");
    });
  }

  record(result: Result): void {
    attempt(this.#path, () => writeSync(this.#file, answerLine(this.#model, result)));
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** Empty where no file is: there is nothing to go on with. */
function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return "";
    throw new CommandFailure(`cannot read the answers in ${path} (${code})`, EXIT.usage);
  }
}

function attempt<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`the answers cannot be written to ${path} (${reason}); choose another file with --out`);
  }
}
