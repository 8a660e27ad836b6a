import type { Sampling } from "../../../continuation/request.ts";
import type { Prompting } from "../file/prompting.ts";

/** What the file says about itself. Plain data: it crosses the process boundary. */
export interface ModelFacts {
  /** As llama.cpp describes it, such as `qwen2 0.5B Q8_0`. */
  readonly description: string;
  readonly vocabularySize: number;
  /** Longest context it was trained for, tokens. */
  readonly trainedTokens: number;
  readonly weightBytes: number;
  /** Cache memory of one token, bytes, in f16. */
  readonly cacheBytesPerToken: number;
  /** Spelling and id of every control and user-defined token. */
  readonly controls: Readonly<Record<string, number>>;
  /** The vocabulary's own ends of text and turn. */
  readonly ends: readonly number[];
  readonly bos?: { readonly id: number; readonly text: string; readonly add: boolean };
  readonly eos?: string;
  readonly chatTemplate?: string;
  readonly sampling: Sampling;
  readonly prompting: Prompting;
}
