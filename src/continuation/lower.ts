import { ServiceError } from "../errors.ts";
import { renderTemplate, splitControls, thinkingOf } from "./chat-template.ts";
import { type FimLayout, startBehindMiddle } from "./fim.ts";
import { gapBetween } from "./gap/gap-end.ts";
import type { Chat, Continuation, ControlToken, Infill, Message, PromptPart, TokenPrompt } from "./input.ts";
import {
  type HealingPoint,
  type LoweredGap,
  type LoweredPart,
  type LoweredPrompt,
  mergeTexts,
  type PromptSection,
} from "./prompt.ts";
import type { Thinking } from "./thinking.ts";
import { THOUGHT_BEGINS, type ThoughtAtStart, withoutThought } from "./thought.ts";

/** What rendering needs to know about the weights. Rendering belongs to them, not to the name that was called. */
export interface Weights {
  readonly id: string;
  /** Spellings of all control tokens of the vocabulary. */
  readonly controls: ReadonlySet<string>;
  readonly fim?: FimLayout;
  /** Token healing of raw texts and assistant prefixes unless a request says otherwise; absent: yes. */
  readonly healing?: boolean;
  /** Put before raw text and infills, where the vocabulary asks for it. */
  readonly bos?: string;
  /** The Jinja template of the file; unused where the vocabulary speaks ChatML. */
  readonly chatTemplate?: string;
  /** What a template says of thinking that is not shown itself. Absent: nothing that is known. */
  readonly thinking?: Thinking;
  /** What a template may print by name. */
  readonly templateTokens: { readonly bos: string; readonly eos: string };
}

export function canChat(weights: Pick<Weights, "controls" | "chatTemplate">): boolean {
  return speaksChatMl(weights) || weights.chatTemplate !== undefined;
}

/**
 * Rewrites an input into a prompt for these weights, or refuses with `unsupported_input`. Drops nothing but what a template
 * drops for weights that think.
 *
 * @param hasShape the answer is to have a shape, which a thought would not fit into.
 */
export function lower(input: Continuation, weights: Weights, { hasShape = false } = {}): LoweredPrompt {
  switch (input.kind) {
    case "tokens":
      return ofTokens(input);
    case "text":
      return raw(input.parts, weights, 0);
    case "infill":
      return infill(input, weights);
    case "chat":
      return chat(input, weights, hasShape);
  }
}

function ofTokens({ tokens, answer = "" }: TokenPrompt): LoweredPrompt {
  const parts: readonly LoweredPart[] = [{ tokens }, ...mergeTexts([{ text: answer }])];
  return { sections: parts.map((part) => ({ role: "prefix", parts: [part] })), countOffset: 0 };
}

function raw(parts: readonly PromptPart[], weights: Weights, unrendered: number): LoweredPrompt {
  const lowered = mergeTexts(parts.map((part) => ("text" in part ? part : control(part.control, weights))));
  const bos = bosBefore(lowered, weights);
  const last = lowered.at(-1);
  // Whoever writes control tokens renders a template by hand, and means the tokens as they stand.
  const isPlain = lowered.length === 1;
  return {
    sections: [{ role: "fixed", parts: bos }, ...lowered.map(section("prefix"))],
    countOffset: unrendered - bos.length,
    ...healAt(lowered.length, last !== undefined && "text" in last ? last.text : "", isPlain && healsPrefixes(weights)),
  };
}

/** A prefix cut inside a word ends in a token most weights never saw there; some were trained on such cuts. */
function healsPrefixes({ healing = true }: Weights): boolean {
  return healing;
}

/** @param text what the caller wrote at the end of that section, to be continued. */
function healAt(section: number, text: string, byDefault: boolean): { readonly heal?: HealingPoint } {
  return text === "" ? {} : { heal: { section, bytes: Buffer.byteLength(text), byDefault } };
}

/** Raw text may be cut anywhere but never in a control token, so each part is a section of its own. */
function section(role: "prefix" | "context"): (part: LoweredPart) => PromptSection {
  return (part) => ({ role: "text" in part ? role : "fixed", parts: [part] });
}

function infill(input: Infill, weights: Weights): LoweredPrompt {
  const layout = weights.fim;
  if (layout === undefined) {
    if (input.suffix !== "") {
      throw new ServiceError(
        "unsupported_input",
        `the weights "${weights.id}" have no fill-in-the-middle layout, so the suffix cannot be honoured; leave it out or choose another model`,
        { param: "suffix" },
      );
    }
    return raw([...input.context, { text: input.prefix + input.middle }], weights, input.writtenMarkers);
  }
  const context = mergeTexts(input.context.map((part) => ("text" in part ? part : control(part.control, weights))));
  const bos = bosBefore(context, weights);
  const marker = (spelling: string): PromptSection => ({ role: "fixed", parts: [{ control: spelling }] });
  // Without a marker the model goes on from the prefix as it is.
  const start =
    layout.middle === undefined ? input.prefix.length : startBehindMiddle(input.prefix, layout.behindMiddle);
  const [front, behind] = [input.prefix.slice(0, start), input.prefix.slice(start)];
  const prefix: PromptSection[] = [marker(layout.prefix), { role: "prefix", parts: mergeTexts([{ text: front }]) }];
  const suffix: PromptSection[] = [
    marker(layout.suffix),
    { role: "suffix", parts: mergeTexts([{ text: input.suffix }]) },
  ];
  const middle: PromptSection[] = layout.middle === undefined ? [] : [marker(layout.middle)];
  const text = behind + input.middle;
  const sections: PromptSection[] = [
    { role: "fixed", parts: bos },
    ...context.map(section("context")),
    ...(layout.order === "psm" ? [...prefix, ...suffix] : [...suffix, ...prefix]),
    ...middle,
    { role: behind === "" ? "fixed" : "prefix", parts: mergeTexts([{ text }]) },
  ];
  const [continued, last] =
    text === "" ? [sections.findIndex(({ role }) => role === "prefix"), front] : [sections.length - 1, text];
  return {
    sections,
    gap: gapOf(input, layout),
    countOffset: input.writtenMarkers - 2 - middle.length - bos.length,
    ...healAt(continued, last, layout.healing ?? false),
  };
}

function gapOf({ prefix, middle, suffix }: Infill, { gapEnd = true, endBias = 0 }: FimLayout): LoweredGap {
  return {
    ...gapBetween(prefix + middle, suffix),
    // Without a suffix the text goes on to its own end, which weights know better.
    endBias: suffix.trim() === "" ? 0 : endBias,
    byDefault: gapEnd,
  };
}

function chat(given: Chat, weights: Weights, hasShape: boolean): LoweredPrompt {
  const { chatTemplate, templateTokens } = weights;
  const thinking = chatTemplate === undefined ? weights.thinking : thinkingOf(chatTemplate, templateTokens);
  const prefix = given.assistantPrefix ?? "";
  const opening = openingOf(prefix, thinking, hasShape);
  const input = thinking === undefined ? given : { ...given, messages: given.messages.map(withoutThoughtOf) };
  if (speaksChatMl(weights)) return chatMl(input, weights, opening);
  if (chatTemplate === undefined) {
    throw new ServiceError(
      "unsupported_input",
      `the weights "${weights.id}" have no chat template; use the completions route or choose another model`,
      { param: "messages" },
    );
  }
  const contents = input.messages.map((message) => ({ ...message, content: contentParts(message.content, weights) }));
  const written = thinking?.opening ?? "";
  const { parts, isOpened } = renderTemplate(chatTemplate, contents, weights.controls, templateTokens, {
    written,
    meant: opening.text,
  });
  const { text, thought } = isOpened ? { ...opening, text: "" } : unopened(opening);
  return {
    sections: [
      { role: "fixed", parts: mergeTexts([...parts, ...splitControls(text, weights.controls), { text: prefix }]) },
    ],
    countOffset: 0,
    ...(thought !== undefined && { thought }),
    ...healAt(0, prefix, healsPrefixes(weights)),
  };
}

/** What stands between the head of an open turn and the prefix, and whether the answer may begin with a thought. */
interface Opening {
  readonly text: string;
  readonly thought?: ThoughtAtStart;
}

/** Behind a template that did not open the answer as it opens others: a thought is closed by us, or may begin. */
function unopened({ text, thought }: Opening): Opening {
  return thought === undefined ? { text } : { text: "", thought: "possible" };
}

function openingOf(prefix: string, thinking: Thinking | undefined, hasShape: boolean): Opening {
  // A caller who has begun a thought goes on with it.
  if (thinking === undefined || prefix.startsWith(THOUGHT_BEGINS)) return { text: "" };
  if (prefix !== "" || hasShape) return { text: thinking.closed };
  return { text: thinking.opening, thought: thinking.isOpen ? "open" : "possible" };
}

/** Thoughts of earlier turns are not shown to weights that think. */
function withoutThoughtOf(message: Message): Message {
  const [first, ...rest] = message.content;
  if (message.role !== "assistant" || first === undefined || !("text" in first)) return message;
  return { ...message, content: [{ text: withoutThought(first.text) }, ...rest] };
}

export function speaksChatMl(weights: Pick<Weights, "controls">): boolean {
  return weights.controls.has("<|im_start|>") && weights.controls.has("<|im_end|>");
}

/** docs/wire.md 2.2.2 and 4.1: the messages as given, no invented system message, the prefix byte for byte, no end marker after it. */
function chatMl(input: Chat, weights: Weights, { text, thought }: Opening): LoweredPrompt {
  const lastUser = input.messages.findLastIndex((message) => message.role === "user");
  const turns = input.messages.map((message, index): PromptSection => {
    const turn = chatMlTurn(message, weights);
    return { role: message.role === "system" || index >= lastUser ? "fixed" : "turn", parts: mergeTexts(turn) };
  });
  const open = mergeTexts([
    { control: "<|im_start|>" },
    { text: "assistant\n" },
    ...splitControls(text, weights.controls),
    { text: input.assistantPrefix ?? "" },
  ]);
  return {
    sections: [...turns, { role: "fixed", parts: open }],
    countOffset: 0,
    ...(thought !== undefined && { thought }),
    ...healAt(turns.length, input.assistantPrefix ?? "", healsPrefixes(weights)),
  };
}

function chatMlTurn(message: Message, weights: Weights): readonly LoweredPart[] {
  const body = contentParts(message.content, weights);
  const calls = (message.toolCalls ?? []).map(
    (call): LoweredPart => ({
      text: `\n<tool_call>\n{"name": ${JSON.stringify(call.name)}, "arguments": ${call.arguments}}\n</tool_call>`,
    }),
  );
  // Qwen's own template shows a tool's answer as something the user said.
  const [role, before, after] =
    message.role === "tool" ? ["user", "<tool_response>\n", "\n</tool_response>"] : [message.role, "", ""];
  return [
    { control: "<|im_start|>" },
    { text: `${role}\n${before}` },
    ...body,
    ...calls,
    { text: after },
    { control: "<|im_end|>" },
    { text: "\n" },
  ];
}

/** Markers in a message that the weights do not have are what they look like: text. */
function contentParts(content: readonly PromptPart[], weights: Weights): readonly LoweredPart[] {
  return content.map((part) => {
    if ("text" in part) return part;
    const spelling = spellingOf(part.control, weights);
    return spelling === undefined ? { text: part.control } : { control: spelling };
  });
}

function control(name: ControlToken, weights: Weights): LoweredPart {
  const spelling = spellingOf(name, weights);
  if (spelling !== undefined) return { control: spelling };
  throw new ServiceError(
    "unsupported_input",
    `the prompt holds ${name}, which the weights "${weights.id}" do not have; leave it out or choose another model`,
    { param: "prompt" },
  );
}

function spellingOf(name: ControlToken, { fim, controls }: Weights): string | undefined {
  const translated: Partial<Record<ControlToken, string | undefined>> =
    fim === undefined
      ? {}
      : {
          "<|fim_prefix|>": fim.prefix,
          "<|fim_suffix|>": fim.suffix,
          "<|fim_middle|>": fim.middle,
          "<|repo_name|>": fim.repoName,
          "<|file_sep|>": fim.fileSep,
        };
  return translated[name] ?? (controls.has(name) ? name : undefined);
}

function bosBefore(parts: readonly LoweredPart[], { bos }: Weights): readonly LoweredPart[] {
  const first = parts[0];
  const present = first !== undefined && "control" in first && first.control === bos;
  return bos === undefined || present ? [] : [{ control: bos }];
}
