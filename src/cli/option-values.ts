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
