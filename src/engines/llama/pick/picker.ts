import type { EncodedPrompt } from "../../../continuation/encode-prompt.ts";
import { ServiceError } from "../../../errors.ts";
import type { NativeModel } from "../native/model.ts";
import type { GenerateMessage } from "../wire/messages.ts";
import { Characters } from "./characters.ts";
import { type Grammar, openGrammar } from "./grammar.ts";
import { Healing } from "./healing.ts";
import { margin, type Picked, Sampler, type TokenFilter } from "./sampler.ts";

/**
 * Rows decoded together round a little differently from rows decoded alone. Where the two likeliest tokens are closer
 * than this (in logits), the rounding may have decided. Seen on Q4_K weights: 0.24 with 4 rows, 0.34 with 60.
 */
const CLOSE_CALL = 0.4;

/** Picks the tokens of one choice: the text taken back from the prompt first, within a grammar if there is one. */
export class Picker {
  readonly #sampler: Sampler;
  readonly #healing: Healing;
  readonly #characters: Characters;
  readonly #grammar: Grammar | undefined;
  readonly #filter: TokenFilter;
  readonly #alternatives: number | undefined;
  readonly #isBiased: boolean;
  readonly #ends: readonly number[];
  /** Ends that are too unlikely by themselves where a gap ends. */
  readonly #raised: { readonly ids: readonly number[]; readonly by: number } | undefined;
  /** The answer has begun, and its last line with it. */
  #isInLine = false;

  /** Throws `invalid_parameter` when the request's grammar is none, or contradicts the assistant prefix. */
  constructor(message: GenerateMessage, choice: number, { tokens, tail }: EncodedPrompt, model: NativeModel) {
    const sampling = { ...message.sampling, logitBias: new Map(message.logitBias) };
    this.#sampler = new Sampler(sampling, seedOf(message.seed, choice), tokens);
    this.#healing = new Healing(tail, model.pieces);
    this.#characters = new Characters(tokens, model.pieces);
    this.#grammar = grammarOf(message, this.#healing.bytes, model);
    this.#filter = this.#grammar === undefined ? this.#characters : within(this.#grammar, this.#characters);
    this.#alternatives = message.logprobs;
    this.#isBiased = sampling.logitBias.size > 0;
    this.#ends = message.ends;
    const { gap, ends } = message;
    this.#raised = gap === undefined || gap.endBias === 0 ? undefined : { ids: ends, by: gap.endBias };
  }

  /** The next token; undefined when none is left. @param logits changed in place. @param mayEnd an end token may come. */
  pick(logits: Float32Array, mayEnd: boolean): Picked | undefined {
    return this.#sampler.pick(logits, {
      alternatives: this.#alternatives,
      among: this.#healing.done ? undefined : this.#spelling(logits),
      filter: this.#filter,
      raised: this.#isInLine ? this.#raised : undefined,
      barred: mayEnd ? undefined : this.#ends,
    });
  }

  /** What a request forbids may leave only an unlikely way to spell its text. */
  #spelling(logits: Float32Array): readonly number[] {
    const candidates = this.#characters.filter(this.#healing.candidates());
    const isFree = this.#grammar === undefined && !this.#isBiased && candidates.length > 0;
    return isFree ? this.#healing.likely(logits, candidates) : candidates;
  }

  /** Another way of rounding might have picked another token. @param logits as `pick` left them. */
  isCloseCall(logits: Float32Array, { id }: Picked): boolean {
    return this.#sampler.isGreedy && margin(logits, id) < CLOSE_CALL;
  }

  /**
   * Takes a token. @returns how many of its first bytes the caller has written already, and what it completes of the answer.
   *
   * @param bytes the token's text.
   */
  accept(id: number, bytes: Uint8Array): { readonly skipped: number; readonly text: Uint8Array } {
    this.#sampler.accept(id);
    this.#grammar?.accept(id);
    const skipped = this.#healing.accept(id);
    this.#isInLine = bytes.length > skipped && !isBlank(bytes.at(-1));
    return { skipped, text: this.#characters.accept(bytes, skipped) };
  }
}

/** Blanks of ASCII; the byte of a longer character is none. */
function isBlank(byte: number | undefined): boolean {
  return byte === undefined || byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
}

/** The characters, which cost less, are asked first, but not about a whole vocabulary: the grammar takes no others. */
function within(grammar: Grammar, characters: Characters): TokenFilter {
  return {
    allows: (id) => characters.allows(id) && grammar.allows(id),
    filter: (ids) => grammar.filter(characters.filter(ids)),
    candidates: () => characters.candidates(),
    keepAllowed: (logits) => grammar.keepAllowed(logits),
  };
}

/** The request's grammar behind its prefix, without the bytes that healing spells again. */
function grammarOf({ grammar, ends }: GenerateMessage, healed: number, model: NativeModel): Grammar | undefined {
  if (grammar === undefined) return undefined;
  const state = openGrammar(grammar.source, model.pieces, ends);
  const prefix = Buffer.from(grammar.prefix);
  if (state.write(prefix.subarray(0, prefix.length - healed))) return state;
  const message = "The assistant prefix is no beginning of what the grammar or response_format asks for";
  throw new ServiceError("invalid_parameter", message, { param: "messages" });
}

/** Choice 0 draws with the seed itself, so that asking for more choices never changes the first. */
function seedOf(seed: string, choice: number): bigint {
  return BigInt.asUintN(64, BigInt(seed) + BigInt(choice) * 0xd1b54a32d192ed03n);
}
