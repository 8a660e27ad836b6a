import { Template } from "@huggingface/jinja";
import { THOUGHT_BEGINS, THOUGHT_ENDS } from "./thought.ts";

/** What a chat template says of thinking. */
export interface Thinking {
  /** What it writes of a thought in front of an answer when it is told that none is wanted: "", a mark, or both. */
  readonly opening: string;
  /** The answer begins within a thought all the same: these weights always think. */
  readonly isOpen: boolean;
  /** What stands in front of an answer that has begun already, so that the thought is over; begins with `opening`. */
  readonly closed: string;
}

/** Names by which templates are told; each knows one at most, and none minds the others. */
export const THINKING_OFF = { enable_thinking: false, thinking: false } as const;
export const THINKING_ON = { enable_thinking: true, thinking: true } as const;

const EMPTY_THOUGHT = `${THOUGHT_BEGINS}\n\n${THOUGHT_ENDS}\n\n`;

/** The marks at the end of a text, with the blanks around them. */
const MARKS = /(?:<think>\s*)?(?:<\/think>\s*)?$/;

/** By source. A server has as many as it has models. */
const known = new Map<string, Thinking | undefined>();

/** Undefined: these weights do not think, as far as their template knows. */
export function thinkingOf(
  source: string,
  tokens: { readonly bos: string; readonly eos: string },
): Thinking | undefined {
  if (!known.has(source)) known.set(source, learn(source, tokens));
  return known.get(source);
}

function learn(source: string, { bos, eos }: { readonly bos: string; readonly eos: string }): Thinking | undefined {
  if (!source.includes(THOUGHT_ENDS)) return undefined;
  const render = (told: object): string =>
    new Template(source).render({
      messages: [{ role: "user", content: "a" }],
      add_generation_prompt: true,
      bos_token: bos,
      eos_token: eos,
      ...told,
    });
  try {
    return thinkingIn(render(THINKING_OFF), render(THINKING_ON));
  } catch {
    return undefined; // what is wrong with the template is said when it renders a caller's messages
  }
}

/** @param off a rendered prompt with an open answer, told not to think. @param on the same, told to think. */
export function thinkingIn(off: string, on: string): Thinking {
  const opening = MARKS.exec(off)?.[0] ?? "";
  const isOpen = opening.trimEnd().endsWith(THOUGHT_BEGINS);
  if (isOpen) {
    const breaks = opening.length - opening.trimEnd().length;
    return { opening, isOpen, closed: `${opening}${"\n".repeat(Math.max(0, 2 - breaks))}${THOUGHT_ENDS}\n\n` };
  }
  // A template that can be told, and then writes no mark, has another way.
  const isSaid = opening !== "" || off !== on;
  return { opening, isOpen, closed: isSaid ? opening : EMPTY_THOUGHT };
}
