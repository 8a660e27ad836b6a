/** How well a model expects a text that is given: its perplexity, over the completions route's `echo` and `logprobs`. */
import { z } from "zod";
import { ServiceError } from "../errors.ts";
import { jsonLines } from "./infill-case.ts";

const message = z.object({ role: z.string(), content: z.string() });

/** A dialogue, of which the last message is scored, or a text, of which all is scored. */
const line = z.union([
  z.object({ messages: z.array(message).min(1), complete: z.boolean().default(true) }),
  z.object({ text: z.string() }),
]);

/** What is sent, and from which character (Unicode code points) on it counts. */
export interface ScoredText {
  readonly text: string;
  readonly from: number;
}

export interface Perplexity {
  readonly texts: number;
  readonly tokens: number;
  /** e to the mean negative log probability of a token. */
  readonly perplexity: number;
}

/** Sums over the tokens that count. */
export interface LogLikelihood {
  readonly tokens: number;
  readonly logprob: number;
}

/** The part of a completions answer that is read. */
const echoed = z.object({
  choices: z.tuple([
    z.object({
      logprobs: z.object({ token_logprobs: z.array(z.number().nullable()), text_offset: z.array(z.int()) }),
    }),
  ]),
});

/** A dialogue is spelt in ChatML, without a system message of ours. The end of its last turn counts unless that was cut. */
export function scoredTexts(bytes: Uint8Array): readonly ScoredText[] {
  return jsonLines(bytes, line).map((entry) => {
    if ("text" in entry) return { text: entry.text, from: 0 };
    const turns = entry.messages.map(({ role, content }) => `<|im_start|>${role}\n${content}`);
    const text = turns.join("<|im_end|>\n");
    const scored = entry.messages.at(-1)?.content ?? "";
    const before = text.slice(0, text.length - scored.length);
    return { text: `${text}${entry.complete ? "<|im_end|>" : ""}`, from: [...before].length };
  });
}

/** Body of the request that scores `text`, without `model`. */
export function echoBody(text: string): Readonly<Record<string, unknown>> {
  return { prompt: text, max_tokens: 0, echo: true, logprobs: 0, temperature: 0 };
}

/** Throws `unsupported_input` where the server scored nothing. */
export function logLikelihood(answer: unknown, { from }: ScoredText): LogLikelihood {
  const parsed = echoed.safeParse(answer);
  if (!parsed.success) {
    throw new ServiceError(
      "unsupported_input",
      'the server returned no log probabilities of the prompt; perplexity needs one that knows "echo": true with ' +
        '"logprobs" and "max_tokens": 0, as Continuo does',
    );
  }
  const { token_logprobs: logprobs, text_offset: offsets } = parsed.data.choices[0].logprobs;
  const counted = logprobs.flatMap((logprob, index) =>
    logprob !== null && (offsets[index] ?? -1) >= from ? [logprob] : [],
  );
  return { tokens: counted.length, logprob: counted.reduce((sum, logprob) => sum + logprob, 0) };
}

/** NaN without tokens. */
export function perplexityOf(scores: readonly LogLikelihood[]): Perplexity {
  const tokens = scores.reduce((sum, score) => sum + score.tokens, 0);
  const logprob = scores.reduce((sum, score) => sum + score.logprob, 0);
  return { texts: scores.length, tokens, perplexity: Math.exp(-logprob / tokens) };
}
