import { Fence } from "../gap/fence.ts";
import type { Stage } from "./stage.ts";

/** A Markdown fence that opens a block, as a line of its own. */
const FENCE_LINE = /^[ \t]*`{3,}[\w+#.-]*[ \t]*\r?$/;
/** The beginning of such a line. */
const FENCE_BEGINS = /^[ \t]*(`{0,2}|`{3,}[\w+#.-]*[ \t]*\r?)$/;

/** How chat models begin to talk about what they are going to write, in lower case. */
const OPENERS = [
  ...["here is", "here's", "here are", "sure", "certainly", "of course", "okay", "below is"],
  ...["the missing", "the middle", "the completed", "the completion", "the continuation"],
  ...["以下是", "好的", "当然", "这是"],
];

/** Longest line that is waited for, with the blank lines before it. UTF-16 units. */
const MOST_HELD = 200;

/**
 * Takes an answer out of a Markdown fence, and a line of talk off its beginning ("Here is the missing code:"). Behind the
 * fence nothing is part of the answer. A text that begins with neither comes out as it is.
 */
export class Unwrap implements Stage {
  /** `blank`: behind a line of talk. */
  #state: "line" | "blank" | "plain" | "fenced" | "over" = "line";
  /** Blank lines, with which the answer begins unless a fence follows. */
  #lead = "";
  /** The line so far. */
  #held = "";
  readonly #fence = new Fence("");
  readonly #lineEnd: string;

  /** @param lineEnd stands behind a block whose fence has ended. */
  constructor(lineEnd: string) {
    this.#lineEnd = lineEnd;
  }

  /** The fence has been closed: nothing more of the answer will come. */
  get isOver(): boolean {
    return this.#state === "over";
  }

  push(piece: string): string {
    let text = "";
    for (const character of piece) text += this.#take(character);
    return text;
  }

  end(): string {
    if (this.#state === "fenced") {
      const { text, found } = this.#fence.end();
      return found ? text + this.#lineEnd : text;
    }
    const isDropped = isFence(this.#held) || (this.#state === "blank" && this.#held.trim() === "");
    return isDropped ? "" : this.#release();
  }

  #take(character: string): string {
    if (this.#state === "over") return "";
    if (this.#state === "plain") return character;
    if (this.#state === "fenced") return this.#takeFenced(character);
    if (character === "\n") return this.#endLine();
    this.#held += character;
    const mayBegin = FENCE_BEGINS.test(this.#held) || (this.#state === "line" && mayBeTalk(this.#held));
    return mayBegin && this.#lead.length + this.#held.length <= MOST_HELD ? "" : this.#release();
  }

  #endLine(): string {
    const line = this.#held;
    if (isFence(line)) return this.#drop("fenced");
    if (this.#state === "line" && isTalk(line)) return this.#drop("blank");
    const isBlankLine = line.trim() === "";
    // Blank lines lie between talk and what it is about.
    if (this.#state === "blank" && isBlankLine) return this.#drop("blank");
    this.#lead += `${line}\n`;
    this.#held = "";
    return isBlankLine && this.#lead.length <= MOST_HELD ? "" : this.#release();
  }

  #takeFenced(character: string): string {
    const { text, found } = this.#fence.push(character);
    if (!found) return text;
    this.#state = "over";
    return text + this.#lineEnd;
  }

  #drop(state: "blank" | "fenced"): string {
    this.#lead = "";
    this.#held = "";
    this.#state = state;
    return "";
  }

  #release(): string {
    const text = this.#lead + this.#held;
    this.#lead = "";
    this.#held = "";
    this.#state = "plain";
    return text;
  }
}

function isFence(line: string): boolean {
  return FENCE_LINE.test(line);
}

function mayBeTalk(line: string): boolean {
  const lower = line.toLowerCase();
  return OPENERS.some((opener) => opener.startsWith(lower) || lower.startsWith(opener));
}

function isTalk(line: string): boolean {
  const lower = line.toLowerCase().trimEnd();
  return OPENERS.some((opener) => lower.startsWith(opener)) && /[:：]$/.test(lower);
}
