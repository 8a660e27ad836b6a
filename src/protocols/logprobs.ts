import { isUtf8 } from "node:buffer";
import type { TokenLogprob, UnscoredToken } from "../continuation/output.ts";
import type { ChatLogprobs } from "../wire/openai/chat.ts";
import type { LegacyLogprobs } from "../wire/openai/completions.ts";

type Token = Pick<TokenLogprob, "bytes" | "control">;

/** Begins the spelling of a token that is no text. */
const BYTES = "bytes:";

/**
 * A token as text, for every token another one. Bytes that are no whole characters are spelled as OpenAI's legacy API does:
 * `bytes:\xe4\xbd`, with printable ASCII as it is (`bytes: \xf0\x9f`) and a backslash doubled. So is a text that begins
 * with `bytes:`.
 */
export function spelling({ bytes, control }: Token): string {
  if (control !== undefined) return control;
  const text = textOf(bytes);
  return text === undefined || text.startsWith(BYTES) ? BYTES + bytes.map(spelledByte).join("") : text;
}

function textOf(bytes: readonly number[]): string | undefined {
  const buffer = Buffer.from(bytes);
  return isUtf8(buffer) ? buffer.toString() : undefined;
}

function spelledByte(byte: number): string {
  if (byte === 0x5c) return "\\\\";
  const isPrintable = byte >= 0x20 && byte < 0x7f;
  return isPrintable ? String.fromCharCode(byte) : `\\x${byte.toString(16).padStart(2, "0")}`;
}

interface Placed<T> {
  readonly token: T;
  /** Unicode code points from the start of the text to the character that its first byte belongs to. */
  readonly offset: number;
}

/**
 * Where the tokens of a text begin, text and tokens coming in pieces. A token that begins behind the end of the text is
 * left out: it belongs to a stop string or to a character that was never finished.
 */
class TokenPlaces {
  #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #decoded = 0;
  #shown = 0;

  /** @param text that came with these tokens. */
  within<T extends Token>(text: string, tokens: readonly T[]): readonly Placed<T>[] {
    this.#shown += codePoints(text);
    return this.#all(tokens).filter(({ offset }) => offset < this.#shown);
  }

  /**
   * All tokens of a prompt, before anything else. Engines put tokens of their own before it, and may read it in another
   * order than it was written, but none begins outside of it.
   */
  ofPrompt<T extends Token>(text: string, tokens: readonly T[]): readonly Placed<T>[] {
    const placed = this.#all(tokens);
    const joined = Buffer.from(tokens.flatMap(({ bytes }) => [...bytes])).toString("utf8");
    const length = codePoints(text);
    const added = joined.endsWith(text) ? codePoints(joined) - length : 0;
    this.#decoder = new TextDecoder("utf-8", { ignoreBOM: true });
    this.#decoded = length;
    this.#shown = length;
    return placed.map(({ token, offset }) => ({ token, offset: Math.min(Math.max(0, offset - added), length) }));
  }

  #all<T extends Token>(tokens: readonly T[]): Placed<T>[] {
    return tokens.map((token) => {
      const offset = this.#decoded;
      this.#decoded += codePoints(this.#decoder.decode(Uint8Array.from(token.bytes), { stream: true }));
      return { token, offset };
    });
  }
}

function codePoints(text: string): number {
  return [...text].length;
}

/** Chat form of one text that may come in pieces: bytes beside every token, alternatives in a list. */
export class ChatLogprobsPrinter {
  readonly #places = new TokenPlaces();

  print(text: string, tokens: readonly TokenLogprob[]): ChatLogprobs {
    const content = this.#places.within(text, tokens).map(({ token }) => ({
      ...scored(token),
      top_logprobs: token.top.map(scored),
    }));
    return { content };
  }
}

function scored(token: Omit<TokenLogprob, "top">): { token: string; logprob: number; bytes: number[] } {
  return { token: spelling(token), logprob: token.logprob, bytes: [...token.bytes] };
}

/** Legacy form of one text that may come in pieces: offsets go on where the last piece ended. */
export class LegacyLogprobsPrinter {
  readonly #places = new TokenPlaces();
  readonly #alternatives: number;

  /** @param alternatives asked for. The chosen token stands beside them, so a map may have one entry more. */
  constructor(alternatives: number) {
    this.#alternatives = alternatives;
  }

  /** An echoed prompt, before any text of the answer. */
  prompt(text: string, tokens: readonly (TokenLogprob | UnscoredToken)[]): LegacyLogprobs {
    return this.#printed(this.#places.ofPrompt(text, tokens));
  }

  print(text: string, tokens: readonly TokenLogprob[]): LegacyLogprobs {
    return this.#printed(this.#places.within(text, tokens));
  }

  #printed(placed: readonly Placed<TokenLogprob | UnscoredToken>[]): LegacyLogprobs {
    return {
      tokens: placed.map(({ token }) => spelling(token)),
      token_logprobs: placed.map(({ token }) => token.logprob),
      top_logprobs: placed.map(({ token }) => (token.logprob === null ? null : topOf(token, this.#alternatives))),
      text_offset: placed.map(({ offset }) => offset),
    };
  }
}

/** One list after the other. */
export function joinedLogprobs(first: LegacyLogprobs, second: LegacyLogprobs): LegacyLogprobs {
  return {
    tokens: [...first.tokens, ...second.tokens],
    token_logprobs: [...first.token_logprobs, ...second.token_logprobs],
    top_logprobs: [...first.top_logprobs, ...second.top_logprobs],
    text_offset: [...first.text_offset, ...second.text_offset],
  };
}

/** Likeliest first. A vocabulary may hold the same bytes twice; the likelier token keeps the place. */
function topOf(token: TokenLogprob, alternatives: number): Record<string, number> {
  const bySpelling = new Map<string, number>();
  for (const each of [...token.top.slice(0, alternatives), token]) {
    const spelled = spelling(each);
    if (!bySpelling.has(spelled)) bySpelling.set(spelled, each.logprob);
  }
  return Object.fromEntries(bySpelling);
}
