import type { TokenLogprob, UnscoredToken } from "../continuation/output.ts";
import type { ChatLogprobs } from "../wire/openai/chat.ts";
import type { LegacyLogprobs } from "../wire/openai/completions.ts";

type Scored = Omit<TokenLogprob, "top">;

/** Chat form: bytes beside every token, alternatives in a list. */
export function chatLogprobs(tokens: readonly TokenLogprob[]): ChatLogprobs {
  return { content: tokens.map((token) => ({ ...scored(token), top_logprobs: token.top.map(scored) })) };
}

function scored({ token, logprob, bytes }: Scored): { token: string; logprob: number; bytes: number[] } {
  return { token, logprob, bytes: [...bytes] };
}

/** Legacy form of one text that may come in pieces: offsets go on where the last piece ended. */
export class LegacyLogprobsPrinter {
  #codePoints = 0;

  /** @param alternatives asked for. The chosen token stands beside them, so a map may have one entry more. */
  print(tokens: readonly (TokenLogprob | UnscoredToken)[], alternatives: number): LegacyLogprobs {
    return {
      tokens: tokens.map(({ token }) => token),
      token_logprobs: tokens.map(({ logprob }) => logprob),
      top_logprobs: tokens.map((token) => (token.logprob === null ? null : topOf(token, alternatives))),
      text_offset: tokens.map(({ bytes }) => this.#advance(bytes)),
    };
  }

  /** Where the character begins that the first byte belongs to: a token may begin inside a character. */
  #advance(bytes: readonly number[]): number {
    const [first] = bytes;
    const before = this.#codePoints;
    this.#codePoints += bytes.filter((byte) => !isContinuation(byte)).length;
    return first !== undefined && isContinuation(first) ? Math.max(0, before - 1) : before;
  }
}

/** Likeliest first. Tokens that are no whole characters share a spelling; the likelier one keeps the place. */
function topOf(token: TokenLogprob, alternatives: number): Record<string, number> {
  const byText = new Map<string, number>();
  for (const { token: text, logprob } of [...token.top.slice(0, alternatives), token]) {
    if (!byText.has(text)) byText.set(text, logprob);
  }
  return Object.fromEntries(byText);
}

/** UTF-8: 10xxxxxx never begins a character. */
function isContinuation(byte: number): boolean {
  return (byte & 0xc0) === 0x80;
}
