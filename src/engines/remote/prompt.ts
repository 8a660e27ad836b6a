import { arrangePrompt, type PartTokens } from "../../continuation/encode-prompt.ts";
import { lower } from "../../continuation/lower.ts";
import type { LoweredGap, LoweredPart } from "../../continuation/prompt.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";
import { promptOf } from "../../continuation/request-prompt.ts";
import type { ThoughtAtStart } from "../../continuation/thought.ts";
import { ServiceError } from "../../errors.ts";
import type { Peer } from "./peer.ts";
import type { Vocabulary } from "./vocabulary.ts";

export interface TokenPrompt {
  readonly tokens: readonly number[];
  /** As reported (`LoweredPrompt.countOffset`). */
  readonly promptTokens: number;
  readonly truncatedTokens: number;
  readonly gap?: LoweredGap;
  readonly thought?: ThoughtAtStart;
  readonly guarantee: "exact";
}

/** The prompt as ids. Throws `invalid_parameter` when it is too long and may not be cut. */
export async function tokenPrompt(
  request: ContinuationRequest,
  { weights, contextTokens = Number.POSITIVE_INFINITY }: Peer,
  vocabulary: Vocabulary,
  signal: AbortSignal,
): Promise<TokenPrompt> {
  const prompt = promptOf(request, weights, contextTokens);
  const encoded: readonly (readonly PartTokens[])[] = await Promise.all(
    prompt.sections.map(({ parts }) => Promise.all(parts.map((part) => vocabulary.encode(part, signal)))),
  );
  const { tokens, promptTokens, truncatedTokens } = arrangePrompt(prompt, encoded, request.limits, {
    roomTokens: contextTokens - 1,
    tokensToHeal: () => 0,
  });
  const { gap, thought } = prompt;
  return {
    tokens,
    promptTokens,
    truncatedTokens,
    guarantee: "exact",
    ...(gap !== undefined && { gap }),
    ...(thought !== undefined && { thought }),
  };
}

export interface TextPrompt {
  readonly text: string;
  readonly countOffset: number;
  readonly gap?: LoweredGap;
}

/** The prompt as one string, for an engine that reads control tokens wherever they are spelt. */
export function textPrompt(
  { input }: Pick<ContinuationRequest, "input">,
  { weights }: Pick<Peer, "weights">,
): TextPrompt {
  const { sections, countOffset, gap } = lower(input, weights);
  const parts = sections.flatMap((section) => section.parts);
  for (const part of parts) if ("text" in part) refuseControls(part.text, weights.controls, input.kind);
  return { text: parts.map(spelled).join(""), countOffset, ...(gap !== undefined && { gap }) };
}

/** Throws `unsupported_input` when a text spells what the engine would not take as text. */
export function refuseControls(text: string, controls: ReadonlySet<string>, kind: string): void {
  for (const control of controls) {
    if (!text.includes(control)) continue;
    throw new ServiceError(
      "unsupported_input",
      `the text holds ${control}, which the engine behind this model would read as a control token; leave it out, or choose a model whose engine takes token ids`,
      { param: kind === "chat" ? "messages" : "prompt" },
    );
  }
}

function spelled(part: LoweredPart): string {
  if ("text" in part) return part.text;
  if ("control" in part) return part.control;
  throw new ServiceError(
    "unsupported_input",
    "the engine behind this model takes no token ids as a prompt; send text",
    { param: "prompt" },
  );
}
