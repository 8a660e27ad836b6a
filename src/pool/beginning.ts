import type { Continuation, PromptPart } from "../continuation/input.ts";
import { hash } from "./policy.ts";

/** UTF-16 units of a block, and blocks that are looked at: the first 32 Ki units of a prompt. */
const BLOCK = 512;
const MOST_BLOCKS = 64;

/** The beginning of a prompt, as far as it is compared with others. */
export interface Beginning {
  /** One per whole block; each says all the text up to its end. */
  readonly blocks: readonly number[];
  /** Of the first block, whole or not. */
  readonly document: number;
}

export function beginningOf(input: Continuation): Beginning {
  const text = textOf(input).slice(0, BLOCK * MOST_BLOCKS);
  const blocks: number[] = [];
  for (let end = BLOCK; end <= text.length; end += BLOCK)
    blocks.push(hash(text.slice(end - BLOCK, end), blocks.at(-1) ?? 0));
  return { blocks, document: blocks[0] ?? hash(text) };
}

/** In the order in which most weights read it. What stands behind the cursor changes what follows it, and comes last. */
function textOf(input: Continuation): string {
  switch (input.kind) {
    case "text":
      return joined(input.parts);
    case "tokens":
      return input.tokens.join(" ");
    case "infill":
      return joined(input.context) + input.prefix;
    case "chat":
      return input.messages.map(({ role, content }) => `${role}\n${joined(content)}\n`).join("");
  }
}

function joined(parts: readonly PromptPart[]): string {
  return parts.map((part) => ("text" in part ? part.text : part.control)).join("");
}
