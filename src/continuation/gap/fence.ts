import { lastLine } from "./code-text.ts";
import type { GapStage, Verdict } from "./gap-stage.ts";

const FENCE = /^[^\S\n]*`{3,}/;
/** A line that closes a code block, as far as it has come. */
const MAY_CLOSE = /^[^\S\n]*`*[^\S\n]*$/;
const CLOSES = /^[^\S\n]*`{3,}[^\S\n]*$/;

/**
 * Ends an answer before a Markdown fence that closes a block which nobody opened: a chat model believes that it wrote code
 * into Markdown, and explains it from there on.
 */
export class Fence implements GapStage {
  /** The last line so far. */
  #line: string;
  /** Its end that is not shown, with the line break before it. */
  #held = "";
  #isOpen = false;

  /** @param before the text in front of the answer. */
  constructor(before: string) {
    this.#line = lastLine(before);
  }

  push(piece: string): Verdict {
    let text = "";
    for (const character of piece) {
      if (character !== "\n") this.#line += character;
      else if (this.#closes()) return { text, found: true };
      else {
        this.#isOpen ||= FENCE.test(this.#line);
        this.#line = "";
        text += this.#flush();
      }
      this.#held += character;
      if (!MAY_CLOSE.test(this.#line)) text += this.#flush();
    }
    return { text, found: false };
  }

  end(): Verdict {
    if (this.#closes()) return { text: "", found: true };
    return { text: this.#flush(), found: false };
  }

  #closes(): boolean {
    return !this.#isOpen && CLOSES.test(this.#line);
  }

  #flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }
}
