import { type Gap, GapEnd, type GapRule } from "./gap/gap-end.ts";
import type { FinishReason } from "./output.ts";
import { StopMatcher, TokenStopMatcher } from "./stop.ts";
import { type Parted, Thought, type ThoughtAtStart } from "./thought.ts";

/** One generated token, as an engine that works on tokens knows it. All tokens of an answer have either bytes or text. */
export interface GeneratedToken {
  readonly id: number;
  /** Its text, where a token may be a part of a character. */
  readonly bytes?: Uint8Array;
  /** Whole characters, where the engine gives no others. */
  readonly text?: string;
}

export interface TranscriptRules {
  /** Ids that end the text by themselves and are never shown or counted. */
  readonly ends: ReadonlySet<number>;
  readonly stopSequences: readonly (readonly number[])[];
  readonly stopStrings: readonly string[];
  /** Stop strings and stop ids count only if they begin behind so many tokens. Absent: 0. */
  readonly minTokens?: number;
  /** Tokens after which the text is cut, at least 1. */
  readonly maxTokens: number;
  /** Where the answer fills a gap and is to end with it. */
  readonly gap?: Gap;
  /** The thought at the beginning, which counts and is not shown. Absent: none is looked for. */
  readonly thought?: ThoughtAtStart;
}

/** What one token made visible. */
export interface Step {
  readonly text: string;
  /** Tokens that became visible, at least in part, or that end the text invisibly but count. */
  readonly tokens: readonly GeneratedToken[];
  /** So many of them, the first, spell nothing but the thought. Absent: 0. */
  readonly hiddenTokens?: number;
  readonly finished?: FinishReason;
  /** The rule that ended an answer in a gap, where no token did. */
  readonly rule?: GapRule;
}

/** Text that came through all rules, and whether one of them ended it. */
interface Seen {
  readonly text: string;
  readonly stopped: boolean;
  readonly rule?: GapRule;
}

/**
 * Turns generated tokens into text: ends, stop ids, characters, the thought before the answer, stop strings, the end of the gap,
 * the token limit, in this order.
 *
 * A pure fold: its state is a function of the tokens pushed so far, so an answer that moves to another engine
 * process continues exactly where it was by pushing the same tokens again.
 */
export class Transcript {
  readonly #rules: TranscriptRules;
  readonly #ids: TokenStopMatcher<GeneratedToken>;
  readonly #strings: StopMatcher;
  readonly #gap: GapEnd | undefined;
  readonly #thought: Thought | undefined;
  /** Keeps a byte order mark: it is text like any other. */
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Tokens whose text is decoded but not shown, with the place in the text where each begins, UTF-16 units. */
  #pending: { readonly token: GeneratedToken; readonly start: number; readonly end: number }[] = [];
  #decoded = 0;
  /** Of the thought, UTF-16 units; all of it comes before what is shown. */
  #hidden = 0;
  /** Up to where the text is decided, the thought included. */
  #shown = 0;
  #pushed = 0;
  #counted = 0;

  constructor(rules: TranscriptRules) {
    this.#rules = rules;
    this.#ids = new TokenStopMatcher(rules.stopSequences);
    this.#strings = new StopMatcher(rules.stopStrings);
    this.#gap = rules.gap === undefined ? undefined : new GapEnd(rules.gap);
    this.#thought = rules.thought === undefined ? undefined : new Thought(rules.thought);
  }

  /** Generated tokens up to the end of the text, without end tokens and stop ids (docs/wire.md 3.6). */
  get completionTokens(): number {
    return this.#counted;
  }

  /** After a step with `finished`, do not push again. */
  push(token: GeneratedToken): Step {
    if (this.#rules.ends.has(token.id)) return this.#finish("", "stop");
    this.#pushed += 1;
    const isFree = this.#pushed > (this.#rules.minTokens ?? 0);
    const free = isFree ? this.#ids.push(token) : { tokens: [token], stopped: false };
    const seen = this.#decode(free.tokens, isFree);
    if (seen.stopped) return this.#release(seen, "stop");
    if (free.stopped) return this.#close(seen.text, "stop");
    if (this.#pushed >= this.#rules.maxTokens) return this.#finish(seen.text, "length");
    return this.#release(seen);
  }

  /** Ends the text here although no token says so; bytes of an unfinished character are dropped. */
  end(reason: FinishReason): Step {
    return this.#finish("", reason);
  }

  #finish(before: string, reason: FinishReason): Step {
    const rest = this.#decode(this.#ids.flush(), true);
    if (rest.stopped) return this.#release({ ...rest, text: before + rest.text }, "stop");
    return this.#close(before + rest.text, reason);
  }

  /** Nothing more comes: what was held back is decided. */
  #close(before: string, reason: FinishReason): Step {
    const answer = this.#thought === undefined ? { text: "", stopped: false } : this.#answerOf(this.#thought.end());
    if (answer.stopped) return this.#release({ ...answer, text: before + answer.text }, "stop");
    const rest = this.#closeGap(this.#strings.flush(), reason === "stop");
    return this.#release({ ...rest, text: before + answer.text + rest.text }, rest.stopped ? "stop" : reason);
  }

  /** @param isFree a stop string may end the text. */
  #decode(tokens: readonly GeneratedToken[], isFree: boolean): Seen {
    let text = "";
    for (const token of tokens) {
      this.#counted += 1;
      const piece = token.text ?? this.#decoder.decode(token.bytes, { stream: true });
      const end = this.#decoded + piece.length;
      this.#pending.push({ token, start: this.#decoded, end });
      this.#decoded = end;
      const seen = this.#answerOf(this.#thought?.push(piece) ?? { text: piece, hidden: 0 }, isFree);
      text += seen.text;
      if (seen.stopped) return { ...seen, text };
    }
    return { text, stopped: false };
  }

  #answerOf({ text: piece, hidden }: Parted, isFree = true): Seen {
    this.#hidden += hidden;
    this.#shown += hidden;
    const matched = isFree ? this.#strings.push(piece) : { text: piece, stopped: false };
    const seen = matched.stopped ? this.#closeGap(matched.text, true) : this.#fill(matched.text);
    return { ...seen, stopped: matched.stopped || seen.stopped };
  }

  #fill(piece: string): Seen {
    if (this.#gap === undefined) return { text: piece, stopped: false };
    const filled = this.#gap.push(piece);
    return { ...filled, stopped: filled.rule !== undefined };
  }

  /** @param isWhole see `GapEnd.end`. */
  #closeGap(piece: string, isWhole: boolean): Seen {
    const seen = this.#fill(piece);
    if (this.#gap === undefined || seen.stopped) return seen;
    const rest = this.#gap.end(isWhole);
    return { ...rest, text: seen.text + rest.text, stopped: rest.rule !== undefined };
  }

  #release({ text, rule }: Seen, finished?: FinishReason): Step {
    this.#shown += text.length;
    const open = finished === undefined ? this.#pending.findIndex((each) => this.#isOpen(each)) : -1;
    const visible = this.#pending.splice(0, open < 0 ? this.#pending.length : open);
    const hidden = visible.filter(({ start, end }) => start < this.#hidden && end <= this.#hidden).length;
    return {
      text,
      tokens: visible.map((each) => each.token),
      ...(hidden > 0 && { hiddenTokens: hidden }),
      ...(finished !== undefined && { finished }),
      ...(finished !== undefined && rule !== undefined && { rule }),
    };
  }

  /** A token that spells the thought and something behind it is seen with the latter. */
  #isOpen({ start, end }: { readonly start: number; readonly end: number }): boolean {
    return start >= this.#shown || (this.#thought?.isOpen === true && end > this.#shown);
  }
}
