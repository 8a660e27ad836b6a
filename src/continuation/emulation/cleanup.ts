import { isBlank, lastLine } from "../gap/code-text.ts";
import { Thought } from "../thought.ts";
import { PrefixEcho } from "./prefix-echo.ts";
import type { Stage } from "./stage.ts";
import { Unwrap } from "./unwrap.ts";

/** What stands around the answer that an instruction asked for. */
export interface Surrounding {
  readonly before: string;
  readonly suffix: string;
  /** The answer is nothing but the text asked for, so a fence or a line of talk around it is none of it. */
  readonly isBare: boolean;
}

/**
 * Makes of what a chat model says the text that it was asked for: without a thought, a line of talk, a fence around it, and
 * what it repeats of the text before. What it repeats of the text behind is found by the rules of every gap.
 */
export class Cleanup implements Stage {
  readonly #thought = new Thought("possible");
  readonly #unwrap: Unwrap | undefined;
  readonly #echo: PrefixEcho;

  constructor({ before, suffix, isBare }: Surrounding) {
    this.#unwrap = isBare ? new Unwrap(fillsLines(before, suffix) ? "\n" : "") : undefined;
    this.#echo = new PrefixEcho(before);
  }

  /** Nothing more of the answer will come, whatever is said. */
  get isOver(): boolean {
    return this.#unwrap?.isOver === true;
  }

  push(piece: string): string {
    return this.#pass(this.#thought.push(piece).text);
  }

  end(): string {
    const text = this.#pass(this.#thought.end().text);
    return text + this.#echo.push(this.#unwrap?.end() ?? "") + this.#echo.end();
  }

  #pass(text: string): string {
    return this.#echo.push(this.#unwrap?.push(text) ?? text);
  }
}

/** Whole lines are missing, of which a fence took the last line break. */
function fillsLines(before: string, suffix: string): boolean {
  return isBlank(lastLine(before)) && suffix !== "" && !/^[ \t]*\r?\n/.test(suffix);
}
