import { Template } from "@huggingface/jinja";
import { ServiceError } from "../errors.ts";
import type { ToolCall } from "./input.ts";
import { type LoweredPart, mergeTexts } from "./prompt.ts";
import { THINKING_OFF, THINKING_ON, type Thinking, thinkingIn } from "./thinking.ts";
import { THOUGHT_ENDS } from "./thought.ts";

/** A message whose content is already in the weights' spelling. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: readonly LoweredPart[];
  readonly toolCalls?: readonly ToolCall[];
}

export interface Rendered {
  readonly parts: readonly LoweredPart[];
  /** It ended as the opening says, and now ends as that is meant. Some templates open an answer to a tool otherwise. */
  readonly isOpened: boolean;
}

/**
 * Renders messages through the Jinja template of a model file, up to the open assistant turn.
 *
 * The template never sees a content, only a stand-in for it, so it can neither trim it nor turn its text into control
 * tokens; and a default system message of the template's own is left out (docs/wire.md 1.2a). A template that knows
 * thinking is told not to think. Throws `unsupported_input` when it refuses the messages or leaves one of them out.
 *
 * @param opening the end of the rendering, and what is to stand there.
 */
export function renderTemplate(
  source: string,
  messages: readonly TemplateMessage[],
  controls: ReadonlySet<string>,
  tokens: { readonly bos: string; readonly eos: string },
  opening: { readonly written: string; readonly meant: string } = { written: "", meant: "" },
): Rendered {
  const template = parse(source);
  const render = (turns: readonly Turn[]): string =>
    template.render({
      messages: turns.map((turn) => ({ ...turn })),
      add_generation_prompt: true,
      bos_token: tokens.bos,
      eos_token: tokens.eos,
      ...THINKING_OFF,
    });
  const standIns = new StandIns();
  const turns = messages.map((message, index) => turnOf(message, index, standIns));
  const text = refuseNicely(() => withoutDefaultSystem(turns, render));
  const { written, meant } = opening;
  const isOpened = text.endsWith(written);
  const opened = isOpened ? text.slice(0, text.length - written.length) + meant : text;
  return { parts: standIns.replaceIn(opened, (frame) => splitControls(frame, controls)), isOpened };
}

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

/** A message as templates know it (the names are those of Hugging Face's chat templates). */
interface Turn {
  readonly role: string;
  readonly content: string;
  readonly tool_calls?: readonly {
    readonly type: "function";
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}

function turnOf({ role, content, toolCalls }: TemplateMessage, index: number, standIns: StandIns): Turn {
  const where = `message ${index + 1} (role "${role}")`;
  const parts = mergeTexts(content);
  if (toolCalls === undefined || toolCalls.length === 0) return { role, content: standIns.add(parts, where) };
  const called = toolCalls.map((call) => ({
    type: "function" as const,
    function: {
      name: standIns.add([{ text: call.name }], `the tool calls of ${where}`),
      arguments: standIns.addJson(call.arguments, `the tool calls of ${where}`),
    },
  }));
  // Templates ask whether there is something besides the calls.
  return { role, content: parts.length === 0 ? "" : standIns.add(parts, where), tool_calls: called };
}

/** Private-use characters around a number: no template looks for them, no trimming touches them. */
const STAND_IN = /\uE0F0(\d+)\uE0F1/u;

const QUOTED_STAND_IN = /"(\uE0F0(\d+)\uE0F1)"/gu;

/** No message has this number. */
const SYSTEM_MARK = standIn(1_000_000);

function standIn(index: number): string {
  return `\uE0F0${index}\uE0F1`;
}

interface Hidden {
  readonly parts: readonly LoweredPart[];
  /** For people. */
  readonly what: string;
  readonly isJson: boolean;
}

/** What the template is shown in place of what callers wrote. */
class StandIns {
  readonly #all: Hidden[] = [];

  /** An empty content has one too: the frame around it must not depend on it. */
  add(parts: readonly LoweredPart[], what: string): string {
    return this.#push({ parts, what, isJson: false });
  }

  /** JSON text, which some templates print as it is and some as JSON of a string. */
  addJson(text: string, what: string): string {
    return this.#push({ parts: [{ text }], what, isJson: true });
  }

  replaceIn(rendered: string, frame: (text: string) => readonly LoweredPart[]): readonly LoweredPart[] {
    const pieces = rendered
      .replace(QUOTED_STAND_IN, (quoted, mark: string, index: string) =>
        this.#all[Number(index)]?.isJson === true ? mark : quoted,
      )
      .split(STAND_IN);
    const shown = new Set(pieces.filter((_, index) => index % 2 === 1).map(Number));
    for (const [index, { parts, what }] of this.#all.entries()) {
      if (parts.length > 0 && !shown.has(index)) refuse(`it leaves out ${what}`);
    }
    return pieces.flatMap((piece, index) => (index % 2 === 0 ? frame(piece) : (this.#all[Number(piece)]?.parts ?? [])));
  }

  #push(entry: Hidden): string {
    this.#all.push(entry);
    return standIn(this.#all.length - 1);
  }
}

function parse(source: string): Template {
  return refuseNicely(() => new Template(source));
}

function refuseNicely<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    refuse(cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function refuse(reason: string, cause?: unknown): never {
  throw new ServiceError("unsupported_input", `the chat template of the model refuses these messages: ${reason}`, {
    param: "messages",
    cause,
  });
}

type Render = (turns: readonly Turn[]) => string;

/**
 * Where no system message is given, compares the rendering with one that has a marked system message. If the plain one
 * holds other text at the mark's place, the template invented a message, and an empty one takes its place.
 */
function withoutDefaultSystem(turns: readonly Turn[], render: Render): string {
  const plain = render(turns);
  if (turns[0]?.role === "system") return plain;
  let marked: string;
  try {
    marked = render([{ role: "system", content: SYSTEM_MARK }, ...turns]);
  } catch {
    return plain; // a template without a system role has no default one
  }
  const at = marked.indexOf(SYSTEM_MARK);
  if (at < 0) return plain;
  const head = commonLength(plain, marked);
  const tail = commonLength(reversed(plain), reversed(marked));
  const invented = head >= at && plain.length - tail > at;
  return invented ? marked.replace(SYSTEM_MARK, "") : plain;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

function reversed(text: string): string {
  return text.split("").reverse().join("");
}

/** Text of ours, in which control tokens are meant as such. */
export function splitControls(text: string, controls: ReadonlySet<string>): readonly LoweredPart[] {
  const spellings = [...controls]
    .filter((each) => each !== "" && text.includes(each))
    .sort((a, b) => b.length - a.length);
  if (spellings.length === 0) return [{ text }];
  const pattern = new RegExp(
    `(${spellings.map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|")})`,
    "u",
  );
  return text.split(pattern).map((piece, index) => (index % 2 === 0 ? { text: piece } : { control: piece }));
}
