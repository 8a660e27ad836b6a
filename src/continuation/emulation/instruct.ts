/** Instructions for weights that only chat: to fill a gap, to continue a text, to go on with an answer. */
import type { Chat, Infill, Message, PromptPart } from "../input.ts";

const GAP = "[[GAP]]";

const FILL =
  `You fill gaps. The user sends a text with a gap, marked ${GAP}. Answer with exactly the text that belongs in its place, ` +
  "with its indentation and line breaks, and nothing else: no explanation, no Markdown fence, and no repetition of the " +
  "text before or after the gap.";

const CONTINUE =
  "You continue texts. The user sends the beginning of a text. Answer with exactly the text that follows it, and nothing " +
  "else: no explanation, no Markdown fence, and no repetition of the beginning.";

const GO_ON =
  "Go on with your last message exactly where it ends, even in the middle of a word or a line. Do not repeat any of it, " +
  "and write nothing about this request.";

/** Small models follow examples where they do not follow instructions: text before, text behind, text between. */
const EXAMPLES = [
  ["def double(x):\n    ", "\n\nprint(double(4))\n", "return x * 2"],
  ["The sun rises in the ", " and sets in the west.\n", "east"],
  ["numbers = [3, 1, 2]\n", "print(numbers[0])\n", "numbers.sort()\n"],
] as const;

/** A text that goes on is a gap with nothing behind it. */
export function askedToFill({
  context,
  prefix,
  middle,
  suffix,
}: Pick<Infill, "context" | "prefix" | "middle" | "suffix">): Chat {
  const before = prefix + middle;
  const mark = markFor(before + suffix);
  const goesOn = suffix === "";
  const others = context.map(spelled).join("");
  const instruction = (goesOn ? CONTINUE : FILL).replaceAll(GAP, mark);
  const files = others === "" ? "" : `\n\nOther files, for information:\n${others}`;
  const examples = EXAMPLES.flatMap(([front, behind, between]) =>
    goesOn
      ? [says("user", front), says("assistant", between + behind)]
      : [says("user", front + mark + behind), says("assistant", between)],
  );
  const question = goesOn ? before : before + mark + suffix;
  return { kind: "chat", messages: [says("system", instruction + files), ...examples, says("user", question)] };
}

/** The prefix becomes a turn that is closed. */
export function askedToGoOn({ messages }: Chat, prefix: string): Chat {
  return { kind: "chat", messages: [...messages, says("assistant", prefix), says("user", GO_ON)] };
}

/** A mark that the text does not have. */
export function markFor(text: string): string {
  let mark = GAP;
  for (let number = 2; text.includes(mark); number += 1) mark = `[[GAP ${number}]]`;
  return mark;
}

function says(role: Message["role"], text: string): Message {
  return { role, content: [{ text }] };
}

function spelled(part: PromptPart): string {
  return "text" in part ? part.text : `\n${part.control} `;
}
