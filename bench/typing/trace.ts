/** What somebody does in an editor, with the same times and places in every run. */
import { Random } from "../../test/support/random.ts";
import type { Text } from "./texts.ts";

/** A change of the text, and the request that the editor sends for it. */
export interface Step {
  /** Since the step before, milliseconds. */
  readonly waitMs: number;
  readonly prefix: string;
  readonly suffix: string;
  readonly kind: "typed" | "deleted" | "accepted";
  /** The user looks up after it, and would see a suggestion. */
  readonly isPause: boolean;
}

/** Lines of text around the cursor. */
const BEFORE = 8;
const BEHIND = 4;
/** Milliseconds between two keys, and of a look at the screen. */
const KEY_MS = [90, 240] as const;
const PAUSE_MS = 900;

/**
 * A line of a text is typed key by key: a look at the end of some words, now and then two wrong keys that are deleted, and
 * from the middle on what is left is accepted at once, after which the next line begins.
 */
export function traceOf({ lines }: Text, place: number, seed: number): readonly Step[] {
  const random = new Random(seed);
  const line = lines[place] ?? "";
  const before = lines.slice(Math.max(0, place - BEFORE), place).join("\n");
  const suffix = `\n${lines.slice(place + 1, place + 1 + BEHIND).join("\n")}`;
  const steps: Step[] = [];
  let waitMs = 0;
  const step = (text: string, kind: Step["kind"], isPause: boolean): void => {
    steps.push({ waitMs, prefix: `${before}\n${text}`, suffix, kind, isPause });
    waitMs = isPause ? PAUSE_MS : KEY_MS[0] + random.uniform() * (KEY_MS[1] - KEY_MS[0]);
  };
  const accepted = Math.ceil(line.length * 0.7);
  for (let typed = line.length - line.trimStart().length; typed <= accepted; typed += 1) {
    const text = line.slice(0, typed);
    if (typed > 0 && random.uniform() < 0.06) {
      for (const wrong of ["q", "qz"]) step(text + wrong, "typed", false);
      for (const left of ["q", ""]) step(text + left, "deleted", left === "");
      continue;
    }
    step(text, "typed", /\W$/.test(text) && random.uniform() < 0.5);
  }
  step(line, "accepted", true);
  step(`${line}\n`, "typed", true);
  return steps;
}
