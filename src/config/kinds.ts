/** Kinds of values in the configuration and in the catalogue, each with what a message says was expected. */
import { z } from "zod";

export function integer(least: number, most: number): z.ZodInt {
  const error = `expected an integer from ${least} to ${most}`;
  return z.int({ error }).min(least, { error }).max(most, { error });
}

export function number(least: number, most: number): z.ZodNumber {
  const error = `expected a number from ${least} to ${most}`;
  return z.number({ error }).min(least, { error }).max(most, { error });
}

export function flag(): z.ZodBoolean {
  return z.boolean({ error: "expected true or false" });
}

export function text(what: string): z.ZodString {
  const error = `expected ${what}`;
  return z.string({ error }).min(1, { error });
}

export function list<Item extends z.ZodType>(item: Item, what: string): z.ZodArray<Item> {
  return z.array(item, { error: `expected a list of ${what}, such as [one, two]` });
}

/** Model and family names go into headers and messages: no blanks, no control characters. */
export function name(): z.ZodString {
  const error = "expected a name of 1 to 200 characters without blanks";
  return z.string({ error }).regex(/^[^\s\p{C}]{1,200}$/u, { error });
}

export function mapping(what: string): { error: (issue: { readonly code?: string }) => string | undefined } {
  // Undefined hands the issue on: unknown keys get their own message in `explain.ts`.
  return { error: (issue) => (issue.code === "invalid_type" ? `expected ${what}` : undefined) };
}
