import type { LoweredPart, LoweredPrompt, PromptSection } from "./prompt.ts";

export interface PromptRoom {
  /** Most tokens that the prompt may come to. */
  readonly tokens: number;
  /** Most UTF-16 units that one token stands for. */
  readonly unitsPerToken: number;
  /** Sections may be cut as `allot` would cut them. */
  readonly truncate: boolean;
}

/**
 * A prompt without what certainly finds no room, told by the length of its texts, so that nobody tokenizes ten million
 * characters to keep the last thousand; undefined if it cannot fit. What is left may still be too long.
 */
export function withinRoom(prompt: LoweredPrompt, room: PromptRoom): LoweredPrompt | undefined {
  const least = prompt.sections.map(({ parts }) => leastTokens(parts, room.unitsPerToken));
  if (sum(least) <= room.tokens) return prompt;
  if (!room.truncate || sum(least.filter((_, index) => !isCut(prompt.sections[index]))) > room.tokens) return undefined;
  const dropped = droppedWhole(prompt.sections, least, room.tokens);
  const isKept = (index: number): boolean => !dropped.has(index);
  const sections = prompt.sections.filter((_, index) => isKept(index)).map((section) => cut(section, room));
  const { heal } = prompt;
  return {
    ...prompt,
    sections,
    cutUnits: (prompt.cutUnits ?? 0) + unitsOf(prompt.sections) - unitsOf(sections),
    ...(heal !== undefined && { heal: { ...heal, section: [...Array(heal.section).keys()].filter(isKept).length } }),
  };
}

/** What goes first goes as a whole for as long as the rest alone is too long. */
function droppedWhole(
  sections: readonly PromptSection[],
  least: readonly number[],
  roomTokens: number,
): ReadonlySet<number> {
  const dropped = new Set<number>();
  let total = sum(least);
  for (const role of ["turn", "context"] as const) {
    for (const [index, section] of sections.entries()) {
      const tokens = least[index] ?? 0;
      if (section.role !== role) continue;
      if (total <= roomTokens || (role === "context" && total - tokens < roomTokens)) break;
      dropped.add(index);
      total -= tokens;
    }
  }
  return dropped;
}

/** UTF-16 units of the texts. */
export function unitsOf(sections: readonly Pick<PromptSection, "parts">[]): number {
  return sum(sections.map(({ parts }) => sum(parts.map((part) => ("text" in part ? part.text.length : 0)))));
}

function leastTokens(parts: readonly LoweredPart[], unitsPerToken: number): number {
  return sum(
    parts.map((part) => {
      if ("tokens" in part) return part.tokens.length;
      return "text" in part ? Math.ceil(part.text.length / unitsPerToken) : 1;
    }),
  );
}

function isCut(section: PromptSection | undefined): boolean {
  return section !== undefined && section.role !== "fixed";
}

/** The side of a long text that counts, with as many units as all the room could take. */
function cut(section: PromptSection, { tokens, unitsPerToken }: PromptRoom): PromptSection {
  const [part] = section.parts;
  const most = tokens * unitsPerToken;
  const isLong = section.parts.length === 1 && part !== undefined && "text" in part && part.text.length > most;
  if (!isLong || section.role === "fixed" || section.role === "turn") return section;
  const text = section.role === "suffix" ? headOf(part.text, most) : tailOf(part.text, most);
  return { ...section, parts: [{ text }] };
}

/** Neither cuts a surrogate pair. */
function tailOf(text: string, units: number): string {
  const start = text.length - units;
  return text.slice(isLowSurrogate(text, start) ? start + 1 : start);
}

function headOf(text: string, units: number): string {
  return text.slice(0, isLowSurrogate(text, units) ? units - 1 : units);
}

function isLowSurrogate(text: string, at: number): boolean {
  return (text.charCodeAt(at) & 0xfc00) === 0xdc00;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, each) => total + each, 0);
}
