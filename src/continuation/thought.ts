/** Marks around what a model writes for itself before its answer, as Qwen, DeepSeek and many others spell them. */
export const THOUGHT_BEGINS = "<think>";
export const THOUGHT_ENDS = "</think>";

/** `open`: the prompt ends within a thought. `possible`: the answer may begin with one. */
export type ThoughtAtStart = "open" | "possible";

/** Blanks in front of a thought that are waited for. UTF-16 units. */
const MOST_BLANKS = 64;

/** What is known of the next piece of an answer. */
export interface Parted {
  /** Text of the answer itself. */
  readonly text: string;
  /** UTF-16 units that are no part of it: the thought, its marks, blanks before it and line breaks behind it. */
  readonly hidden: number;
}

/**
 * Parts the thought at the beginning of an answer from the answer. All hidden units come before all text. A text with no
 * thought at its beginning comes out as it is. Holds back no more than `MOST_BLANKS` and one mark.
 */
export class Thought {
  #state: "before" | "within" | "behind" | "over";
  /** What may still become a mark. */
  #held = "";

  constructor(start: ThoughtAtStart) {
    this.#state = start === "open" ? "within" : "before";
  }

  /** The thought has begun and goes on. */
  get isOpen(): boolean {
    return this.#state === "within";
  }

  push(piece: string): Parted {
    let hidden = 0;
    for (const [index, character] of [...piece].entries()) {
      if (this.#state === "over") return { text: this.#release() + [...piece].slice(index).join(""), hidden };
      hidden += this.#take(character);
    }
    return { text: this.#state === "over" ? this.#release() : "", hidden };
  }

  /** The rest; call once when nothing more will come. */
  end(): Parted {
    const rest = this.#release();
    return this.#state === "within" ? { text: "", hidden: rest.length } : { text: rest, hidden: 0 };
  }

  /** @returns units that are hidden for certain now. */
  #take(character: string): number {
    if (this.#state === "before") return this.#takeBefore(character);
    if (this.#state === "within") return this.#takeWithin(character);
    if (character === "\n" || character === "\r") return character.length;
    this.#state = "over";
    this.#held = character;
    return 0;
  }

  #takeBefore(character: string): number {
    this.#held += character;
    const mark = this.#held.trimStart();
    const blanks = this.#held.length - mark.length;
    if (mark === THOUGHT_BEGINS) {
      this.#state = "within";
      return this.#release().length;
    }
    if (!THOUGHT_BEGINS.startsWith(mark) || blanks > MOST_BLANKS) this.#state = "over";
    return 0;
  }

  #takeWithin(character: string): number {
    this.#held += character;
    if (this.#held.endsWith(THOUGHT_ENDS)) {
      this.#state = "behind";
      return this.#release().length;
    }
    let kept = Math.min(this.#held.length, THOUGHT_ENDS.length - 1);
    while (!THOUGHT_ENDS.startsWith(this.#held.slice(this.#held.length - kept))) kept -= 1;
    const hidden = this.#held.length - kept;
    this.#held = this.#held.slice(hidden);
    return hidden;
  }

  #release(): string {
    const held = this.#held;
    this.#held = "";
    return held;
  }
}

/** A finished turn without the thought at its beginning, as templates show it to the weights. One without an end is text. */
export function withoutThought(text: string): string {
  const thought = new Thought("possible");
  const { text: answer } = thought.push(text);
  return thought.isOpen ? text : answer + thought.end().text;
}
