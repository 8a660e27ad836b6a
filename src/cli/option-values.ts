import { InvalidArgumentError } from "commander";

/** For commander: the value of an option, refused unless it is an integer of at least `least`. */
export function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`Expected an integer of at least ${least}.`);
  };
}

/** For commander: any finite number. */
export function decimal(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number.");
}

/** For commander: some of the words, separated by commas; the order given is kept. */
export function listOf<Word extends string>(words: readonly Word[]): (text: string) => readonly Word[] {
  return (text) =>
    text.split(",").map((given) => {
      const word = words.find((each) => each === given.trim());
      if (word !== undefined) return word;
      throw new InvalidArgumentError(`Expected some of ${words.join(", ")}, found "${given}".`);
    });
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** For commander: a time such as `90d` or `1h30m`, in milliseconds. */
export function duration(text: string): number {
  const parts = [...text.matchAll(/(\d{1,6})([smhd])/g)];
  if (text === "0") return 0;
  if (parts.length === 0 || parts.map(([part]) => part).join("") !== text) {
    throw new InvalidArgumentError("Expected a time such as 30m, 12h or 90d.");
  }
  return parts.reduce((sum, [, count, unit = ""]) => sum + Number(count) * (UNIT_MS[unit] ?? 0), 0);
}

/** A date, at its beginning in UTC, or a time with its offset from UTC. */
const INSTANT = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d))?$/;

/** For commander: epoch milliseconds of `2026-01-31`, `2026-01-31T12:00Z` or, counted back from now, `30d`. */
export function instant(text: string): number {
  if (/^(\d{1,6}[smhd])+$/.test(text)) return Date.now() - duration(text);
  const epochMs = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(epochMs)) return epochMs;
  throw new InvalidArgumentError("Expected a time such as 2026-01-31, 2026-01-31T12:00Z or 30d.");
}
