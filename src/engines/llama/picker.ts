import { ServiceError } from "../../errors.ts";
import type { EncodedPrompt } from "./encode-prompt.ts";
import type { Grammar } from "./grammar.ts";
import { Healing } from "./healing.ts";
import type { GenerateMessage } from "./messages.ts";
import type { NativeModel } from "./model.ts";
import { margin, type Picked, Sampler } from "./sampler.ts";

/**
 * Rows decoded together round a little differently from rows decoded alone. Where the two likeliest tokens are closer
 * than this (in logits), the rounding may have decided.
 */
const CLOSE_CALL = 0.05;

/** Picks the tokens of one choice: the text taken back from the prompt first, within a grammar if there is one. */
export class Picker {
  readonly #sampler: Sampler;
  readonly #healing: Healing;
  readonly #grammar: Grammar | undefined;
  readonly #alternatives: number | undefined;
  readonly #isBiased: boolean;
  readonly #ends: readonly number[];

  /** Throws `invalid_parameter` when the request's grammar is none, or contradicts the assistant prefix. */
  constructor(message: GenerateMessage, choice: number, { tokens, tail }: EncodedPrompt, model: NativeModel) {
    const sampling = { ...message.sampling, logitBias: new Map(message.logitBias) };
    this.#sampler = new Sampler(sampling, seedOf(message.seed, choice), tokens);
    this.#healing = new Healing(tail, model.pieces);
    this.#grammar = grammarOf(message, this.#healing.bytes, model);
    this.#alternatives = message.logprobs;
    this.#isBiased = sampling.logitBias.size > 0;
    this.#ends = message.ends;
  }

  /** The next token; undefined when none is left. @param logits changed in place. @param mayEnd an end token may come. */
  pick(logits: Float32Array, mayEnd: boolean): Picked | undefined {
    return this.#sampler.pick(logits, {
      alternatives: this.#alternatives,
      among: this.#healing.done ? undefined : this.#spelling(logits),
      grammar: this.#grammar,
      barred: mayEnd ? undefined : this.#ends,
    });
  }

  /** What a request forbids may leave only an unlikely way to spell its text. */
  #spelling(logits: Float32Array): readonly number[] {
    const isFree = this.#grammar === undefined && !this.#isBiased;
    return isFree ? this.#healing.likely(logits) : this.#healing.candidates();
  }

  /** Another way of rounding might have picked another token. @param logits as `pick` left them. */
  isCloseCall(logits: Float32Array, { id }: Picked): boolean {
    return this.#sampler.isGreedy && margin(logits, id) < CLOSE_CALL;
  }

  /** Takes a token. @returns how many of its first bytes the caller has written already. */
  accept(id: number): number {
    this.#sampler.accept(id);
    this.#grammar?.accept(id);
    return this.#healing.accept(id);
  }

  free(): void {
    this.#grammar?.free();
  }
}

/** The request's grammar behind its prefix, without the bytes that healing spells again. */
function grammarOf({ grammar, ends }: GenerateMessage, healed: number, model: NativeModel): Grammar | undefined {
  if (grammar === undefined) return undefined;
  const state = model.grammar(grammar.source, ends);
  const prefix = Buffer.from(grammar.prefix);
  const text = prefix.toString("utf8", 0, prefix.length - healed);
  for (const id of model.encode({ text })) {
    if (state.allows(id)) state.accept(id);
    else {
      state.free();
      const message = "The assistant prefix is no beginning of what the grammar or response_format asks for";
      throw new ServiceError("invalid_parameter", message, { param: "messages" });
    }
  }
  return state;
}

/** Choice 0 draws with the seed itself, so that asking for more choices never changes the first. */
function seedOf(seed: string, choice: number): bigint {
  return BigInt.asUintN(64, BigInt(seed) + BigInt(choice) * 0xd1b54a32d192ed03n);
}
