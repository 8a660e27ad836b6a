import { type DeltaPart, type StartPart, type StreamPart, tokenCount } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { type Answer, countOf, pieceOf, textOf } from "./answer.ts";
import type { Remembering } from "./answer-memory.ts";
import type { Place } from "./place.ts";

/** The request whose answer it is, as far as the caller wants it. */
export interface Next {
  readonly request: ContinuationRequest;
  readonly place: Place;
  readonly answer: Answer;
}

/**
 * An answer that is said once more from its beginning, of which the caller has got a part: the tokens in which a healed word
 * began are known to nobody but the engine, so what comes behind them cannot be asked for by itself. The prompt is in the
 * engine's cache, and the known part is what the caller reads meanwhile.
 */
export class Continuing {
  readonly #next: Next;
  readonly #known: string;
  readonly #begin: (place: Place, start: StartPart) => Remembering;
  #said = "";
  #tokens = 0;
  #remembering: Remembering | undefined;
  #isOther = false;

  constructor(next: Next, begin: (place: Place, start: StartPart) => Remembering) {
    this.#next = next;
    this.#known = textOf(next.answer.pieces);
    this.#begin = begin;
  }

  get request(): ContinuationRequest {
    return this.#next.request;
  }

  /** It is not the answer that is known: the same request may be computed in other batches, and what is as likely differs. */
  get isOther(): boolean {
    return this.#isOther;
  }

  /** What the caller has not got yet. */
  told(part: StreamPart): StreamPart | undefined {
    if (part.type === "delta") return this.#delta(part);
    if (part.type !== "finish" || this.#isOther) return undefined;
    if (this.#said.length < this.#known.length) {
      this.#isOther = true;
      return undefined;
    }
    this.#remembering ??= this.#remember();
    this.#remembering.end(part);
    return part;
  }

  #delta(part: DeltaPart): StreamPart | undefined {
    const before = this.#said.length;
    this.#said += part.text;
    this.#tokens += tokenCount(part);
    const known = this.#known.slice(before);
    this.#isOther ||= !(known.startsWith(part.text) || part.text.startsWith(known));
    if (this.#isOther || this.#said.length <= this.#known.length) return undefined;
    const news = known === "" ? part : this.#behind(known, part);
    this.#remembering ??= this.#remember();
    this.#remembering.add(pieceOf(news));
    return news;
  }

  /** What of a delta stands behind the known text: the engine may cut its text into other pieces than the first time. */
  #behind(known: string, { tokens, ...part }: DeltaPart): DeltaPart {
    const count = Math.max(0, this.#tokens - countOf(this.#next.answer.pieces));
    const text = part.text.slice(known.length);
    if (tokens === undefined) return { ...part, text, pieces: Math.max(1, count) };
    return { ...part, text, tokens: tokens.slice(Math.max(0, tokens.length - count)) };
  }

  /** What is known stays found until there is more of it. */
  #remember(): Remembering {
    const { place, answer } = this.#next;
    const remembering = this.#begin(place, answer.start);
    for (const piece of answer.pieces) remembering.add(piece);
    if (answer.promptTokens !== undefined) remembering.counted(answer.promptTokens);
    return remembering;
  }
}
