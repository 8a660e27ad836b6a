import { isBlank, lastLine } from "./code-text.ts";
import type { GapStage, Verdict } from "./gap-stage.ts";

/** Backticks that make a fence. */
const FENCE = 3;

/** Longest line held back while it may still turn out to be a fence, with the line break before it. UTF-16 units. */
const MOST_HELD = 64;

/**
 * Ends an answer before a Markdown fence that closes a block which nobody opened: a chat model believes that it wrote code
 * into Markdown, and explains it from there on.
 */
export class Fence implements GapStage {
  #line = new Line();
  /** The end of the answer that is not shown: the last line as long as it may be a fence, and the line break before it. */
  #held = "";
  #isOpen = false;

  /** @param before the text in front of the answer. */
  constructor(before: string) {
    for (const character of lastLine(before)) this.#line.push(character);
  }

  push(piece: string): Verdict {
    let text = "";
    for (const character of piece) {
      if (character !== "\n") this.#line.push(character);
      else if (this.#closes()) return { text, found: true };
      else {
        this.#isOpen ||= this.#line.isFence;
        this.#line = new Line();
        text += this.#flush();
      }
      this.#held += character;
      if (this.#held.length > MOST_HELD) this.#line.show();
      if (!this.#line.mayClose) text += this.#flush();
    }
    return { text, found: false };
  }

  end(): Verdict {
    if (this.#closes()) return { text: "", found: true };
    return { text: this.#flush(), found: false };
  }

  #closes(): boolean {
    return !this.#isOpen && this.#line.closes;
  }

  #flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }
}

/** A line as far as it has come: blanks, backticks, blanks again, and then anything. */
class Line {
  #part: "indentation" | "ticks" | "blanks" | "rest" = "indentation";
  #ticks = 0;
  #isShown = false;

  /** @param character no line break. */
  push(character: string): void {
    if (this.#part === "rest") return;
    if (isBlank(character)) {
      if (this.#part === "ticks") this.#part = "blanks";
    } else if (character === "`" && this.#part !== "blanks") {
      this.#part = "ticks";
      this.#ticks += 1;
    } else this.#part = "rest";
  }

  /** Its beginning is part of the answer, so that the answer cannot end before it any more. */
  show(): void {
    this.#isShown = true;
  }

  /** It begins with a fence, whatever follows. */
  get isFence(): boolean {
    return this.#ticks >= FENCE;
  }

  get mayClose(): boolean {
    return this.#part !== "rest" && !this.#isShown;
  }

  get closes(): boolean {
    return this.mayClose && this.isFence;
  }
}
