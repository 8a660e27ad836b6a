/** Instructions for weights that only chat: to fill a gap, to continue a text, to go on with an answer. */
import type { Chat, Infill, Message, PromptPart } from "../input.ts";

const FILL =
  "You fill a gap in a text. You get the text before the gap and the text after it. Answer with exactly the missing text, " +
  "which is inserted between the two as it is. Write nothing else: no explanation, no Markdown fence, and no repetition " +
  "of the text before or after the gap. Keep indentation and line breaks as they have to be at that place.";

const CONTINUE =
  "You continue a text. Answer with exactly the text that follows, which is appended to the given one as it is. Write " +
  "nothing else: no explanation, no Markdown fence, and no repetition of the given text.";

const GO_ON =
  "Go on with your last message exactly where it ends, even in the middle of a word or a line. Do not repeat any of it, " +
  "and write nothing about this request.";

/** A text that goes on is a gap with nothing behind it. */
export function askedToFill({
  context,
  prefix,
  middle,
  suffix,
}: Pick<Infill, "context" | "prefix" | "middle" | "suffix">): Chat {
  const others = context.map(spelled).join("");
  const before = `Text before the gap:\n<before>${prefix}${middle}</before>\n`;
  const parts =
    suffix === ""
      ? [CONTINUE, `The text:\n<text>${prefix}${middle}</text>\nWrite only what follows behind <text>…</text>.`]
      : [FILL, `${before}Text after the gap:\n<after>${suffix}</after>\nWrite only the text between the two.`];
  const [system = "", question = ""] = parts;
  const files = others === "" ? "" : `Other files, for information:\n<files>${others}</files>\n`;
  return { kind: "chat", messages: [says("system", system), says("user", files + question)] };
}

/** The prefix becomes a turn that is closed. */
export function askedToGoOn({ messages }: Chat, prefix: string): Chat {
  return { kind: "chat", messages: [...messages, says("assistant", prefix), says("user", GO_ON)] };
}

function says(role: Message["role"], text: string): Message {
  return { role, content: [{ text }] };
}

function spelled(part: PromptPart): string {
  return "text" in part ? part.text : `\n${part.control} `;
}
