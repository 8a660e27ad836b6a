import { Template } from "@huggingface/jinja";
import { ServiceError } from "../errors.ts";
import type { LoweredPart } from "./prompt.ts";

/** A message whose content is already in the weights' spelling. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: readonly LoweredPart[];
}

/**
 * Renders messages through the Jinja template of a model file, up to the open assistant turn.
 *
 * The template never sees a content, only a stand-in for it, so it can neither trim it nor turn its text into control
 * tokens; and a default system message of the template's own is left out (contract 1.2a).
 */
export function renderTemplate(
  source: string,
  messages: readonly TemplateMessage[],
  controls: ReadonlySet<string>,
  tokens: { readonly bos: string; readonly eos: string },
): readonly LoweredPart[] {
  const template = parse(source);
  const render = (turns: readonly { role: string; content: string }[]): string =>
    template.render({
      messages: turns.map((turn) => ({ ...turn })),
      add_generation_prompt: true,
      bos_token: tokens.bos,
      eos_token: tokens.eos,
    });
  const turns = messages.map((message, index) => ({ role: message.role, content: standIn(index) }));
  const text = refuseNicely(() => withoutDefaultSystem(turns, render));
  return text
    .split(STAND_IN)
    .flatMap((piece, index): readonly LoweredPart[] =>
      index % 2 === 0 ? splitControls(piece, controls) : (messages[Number(piece)]?.content ?? []),
    );
}

/** Private-use characters around a number: no template looks for them, no trimming touches them. */
const STAND_IN = /\uE0F0(\d+)\uE0F1/u;

function standIn(index: number): string {
  return `\uE0F0${index}\uE0F1`;
}

function parse(source: string): Template {
  return refuseNicely(() => new Template(source));
}

function refuseNicely<T>(act: () => T): T {
  try {
    return act();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ServiceError("unsupported_input", `the chat template of the model refuses these messages: ${reason}`, {
      param: "messages",
      cause,
    });
  }
}

type Render = (turns: readonly { role: string; content: string }[]) => string;

/**
 * Where no system message is given, compares the rendering with one that has a marked system message. If the plain one
 * holds other text at the mark's place, the template invented a message, and an empty one takes its place.
 */
function withoutDefaultSystem(turns: Parameters<Render>[0], render: Render): string {
  const plain = render(turns);
  if (turns[0]?.role === "system") return plain;
  const mark = standIn(turns.length);
  let marked: string;
  try {
    marked = render([{ role: "system", content: mark }, ...turns]);
  } catch {
    return plain; // a template without a system role has no default one
  }
  const at = marked.indexOf(mark);
  if (at < 0) return plain;
  const head = commonLength(plain, marked);
  const tail = commonLength(reversed(plain), reversed(marked));
  const invented = head >= at && plain.length - tail > at;
  return invented ? marked.replace(mark, "") : plain;
}

function commonLength(a: string, b: string): number {
  let length = 0;
  while (length < a.length && length < b.length && a[length] === b[length]) length += 1;
  return length;
}

function reversed(text: string): string {
  return text.split("").reverse().join("");
}

function splitControls(text: string, controls: ReadonlySet<string>): readonly LoweredPart[] {
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
