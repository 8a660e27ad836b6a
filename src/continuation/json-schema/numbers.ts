import { choice, sequence } from "./gbnf.ts";

/** Numbers between bounds as GBNF over their decimal digits. No exponents here: they would defeat every bound. */

export interface Bound {
  readonly value: number;
  readonly isExclusive: boolean;
}

/** Absent: unbounded. */
export interface Range {
  readonly low?: Bound;
  readonly high?: Bound;
}

/** Most digits before and after the point where no bound says more: a model must not write digits for ever. */
const DIGITS = 16;

const FRACTION = `"." [0-9]{1,${DIGITS}}`;

/** Any integer and any number. */
export const INTEGER = `"-"? ("0" | [1-9] [0-9]{0,${DIGITS - 1}})`;
export const NUMBER = `${INTEGER} (${FRACTION})? ([eE] [-+]? [0-9]{1,2})?`;

/** Numbers from here on have no plain notation in JavaScript. None is written that is further from zero, unless bounds ask. */
const FAR = 1e21;

/** The range without bounds that are beyond everything that is written. */
export function withinReach({ low, high }: Range): Range {
  return {
    ...(low !== undefined && low.value > -FAR && { low }),
    ...(high !== undefined && high.value < FAR && { high }),
  };
}

/** Undefined: there is no such integer. */
export function integersIn({ low, high }: Range): string | undefined {
  return signed(low, high, (from, to) => {
    const lowest = from === undefined ? 0n : BigInt(Math.ceil(from.value)) + (isHit(from) ? 1n : 0n);
    const highest = to === undefined ? undefined : BigInt(Math.floor(to.value)) - (isHit(to) ? 1n : 0n);
    return naturals(lowest, highest);
  });
}

/** Undefined: there is no such number. Bounds must be `isPlain`. */
export function numbersIn({ low, high }: Range): string | undefined {
  return signed(low, high, magnitudes);
}

/** The bound has a plain decimal notation, which the digits can be compared with. */
export function isPlain({ value }: Bound): boolean {
  return !String(value).includes("e");
}

type Magnitudes = (from: Bound | undefined, to: Bound | undefined) => readonly string[];

/** Splits at zero; `magnitudes` sees bounds of 0 and above only. */
function signed(low: Bound | undefined, high: Bound | undefined, of: Magnitudes): string | undefined {
  const options: string[] = [];
  if (low === undefined || low.value < 0) {
    // Not even a zero with a sign: it is no less than zero.
    const from = high !== undefined && high.value < 0 ? negated(high) : { value: 0, isExclusive: true };
    options.push(...of(from, low === undefined ? undefined : negated(low)).map((text) => sequence('"-"', text)));
  }
  if (high === undefined || high.value >= 0)
    options.push(...of(low !== undefined && low.value >= 0 ? low : undefined, high));
  return choice(options);
}

function negated({ value, isExclusive }: Bound): Bound {
  return { value: -value, isExclusive };
}

/** An integer bound that itself is not allowed. */
function isHit({ value, isExclusive }: Bound): boolean {
  return isExclusive && Number.isInteger(value);
}

/** Options for the decimal notations of low..high. */
function naturals(low: bigint, high: bigint | undefined): readonly string[] {
  if (high !== undefined && high < low) return [];
  const first = low.toString();
  const last = high?.toString();
  const longest = last?.length ?? Math.max(DIGITS, first.length);
  if (last?.length === first.length) return [sameLength(first, last)];
  const shortest = first === "0" || /^10*$/.test(first) ? undefined : sameLength(first, nines(first.length));
  const start = shortest === undefined ? first.length : first.length + 1;
  const isLastFull = last === undefined || /^9+$/.test(last);
  const end = isLastFull ? longest : longest - 1;
  return [
    ...(first === "0" ? ['"0"'] : []),
    ...(shortest === undefined ? [] : [shortest]),
    ...(end >= start ? [sequence("[1-9]", digits(start - 1, end - 1))] : []),
    ...(isLastFull || last === undefined ? [] : [sameLength(`1${"0".repeat(last.length - 1)}`, last)]),
  ];
}

/** Numbers of as many digits as both bounds have, leading zeros included. */
function sameLength(low: string, high: string): string {
  if (low === "") return "";
  const rest = low.length - 1;
  const [from, to] = [Number(low[0]), Number(high[0])];
  if (from === to) return sequence(digit(from, to), sameLength(low.slice(1), high.slice(1)));
  const isLowFull = /^0*$/.test(low.slice(1));
  const isHighFull = /^9*$/.test(high.slice(1));
  const [wholeFrom, wholeTo] = [isLowFull ? from : from + 1, isHighFull ? to : to - 1];
  const options = [
    ...(isLowFull ? [] : [sequence(digit(from, from), sameLength(low.slice(1), nines(rest)))]),
    ...(wholeFrom <= wholeTo ? [sequence(digit(wholeFrom, wholeTo), digits(rest, rest))] : []),
    ...(isHighFull ? [] : [sequence(digit(to, to), sameLength("0".repeat(rest), high.slice(1)))]),
  ];
  return choice(options) ?? "";
}

/** Options for the decimal notations of numbers of 0 and above. */
function magnitudes(from: Bound | undefined, to: Bound | undefined): readonly string[] {
  const low = parts(from ?? { value: 0, isExclusive: false });
  if (to === undefined) return [...atInteger(low, undefined), ...withAnyFraction(low.integer + 1n, undefined)];
  const high = parts(to);
  if (low.integer > high.integer) return [];
  if (low.integer === high.integer) return atInteger(low, high);
  return [
    ...atInteger(low, undefined),
    ...withAnyFraction(low.integer + 1n, high.integer - 1n),
    ...atInteger({ integer: high.integer, fraction: "", isExclusive: false }, high),
  ];
}

interface Parts {
  readonly integer: bigint;
  /** Digits after the point, without zeros at the end. */
  readonly fraction: string;
  readonly isExclusive: boolean;
}

function parts({ value, isExclusive }: Bound): Parts {
  const [integer = "0", fraction = ""] = String(value).split(".");
  return { integer: BigInt(integer), fraction, isExclusive };
}

function withAnyFraction(low: bigint, high: bigint | undefined): readonly string[] {
  return naturals(low, high).map((text) => `${text} (${FRACTION})?`);
}

/** Numbers whose integer is that of `low`, between it and `high`. */
function atInteger(low: Parts, high: Parts | undefined): readonly string[] {
  const integer = `"${low.integer}"`;
  const fraction = high === undefined ? fractionsFrom(low) : fractionsBetween(low, high);
  const isAlone = low.fraction === "" && !low.isExclusive && !(high?.fraction === "" && high.isExclusive);
  return [...(isAlone ? [integer] : []), ...(fraction === undefined ? [] : [`${integer} "." ${fraction}`])];
}

/** One end of a range of fractions; where its digits end it goes on with zeros. */
type Edge = Pick<Parts, "fraction" | "isExclusive">;

const ANY_DIGITS = `[0-9]{0,${DIGITS - 1}}`;

/** Digits after the point, at least one, of fractions from `low` on. */
function fractionsFrom(low: Edge): string | undefined {
  if (low.fraction === "") return low.isExclusive ? `${ANY_DIGITS} [1-9]` : `[0-9]{1,${DIGITS}}`;
  const first = Number(low.fraction[0]);
  return choice([
    ...after(first, fractionsFrom(rest(low)), mayEndAsLow(low)),
    ...(first < 9 ? [`${digit(first + 1, 9)} ${ANY_DIGITS}`] : []),
  ]);
}

/** The same up to `high`. Undefined: there are none. */
function fractionsTo(high: Edge): string | undefined {
  if (high.fraction === "") return high.isExclusive ? undefined : `"0"{1,${DIGITS}}`;
  const first = Number(high.fraction[0]);
  return choice([
    ...(first > 0 ? [`${digit(0, first - 1)} ${ANY_DIGITS}`] : []),
    ...after(first, fractionsTo(rest(high)), mayEndAsHigh(high)),
  ]);
}

function fractionsBetween(low: Edge, high: Edge): string | undefined {
  if (low.fraction === "" && high.fraction === "") return low.isExclusive ? undefined : fractionsTo(high);
  const [from, to] = [Number(low.fraction[0] ?? 0), Number(high.fraction[0] ?? 0)];
  if (from > to) return undefined;
  if (from === to) {
    return choice(after(from, fractionsBetween(rest(low), rest(high)), mayEndAsLow(low) && mayEndAsHigh(high)));
  }
  return choice([
    ...after(from, fractionsFrom(rest(low)), mayEndAsLow(low)),
    ...(from + 1 < to ? [`${digit(from + 1, to - 1)} ${ANY_DIGITS}`] : []),
    ...after(to, fractionsTo(rest(high)), mayEndAsHigh(high)),
  ]);
}

/** A digit, then more of them, or none. */
function after(first: number, more: string | undefined, mayEnd: boolean): readonly string[] {
  const alone = digit(first, first);
  return [...(mayEnd ? [alone] : []), ...(more === undefined ? [] : [sequence(alone, more)])];
}

function rest({ fraction, isExclusive }: Edge): Edge {
  return { fraction: fraction.slice(1), isExclusive };
}

/** The first digit alone is no less than the edge, */
function mayEndAsLow({ fraction, isExclusive }: Edge): boolean {
  return fraction.length <= 1 && !isExclusive;
}

/** or no more. */
function mayEndAsHigh({ fraction, isExclusive }: Edge): boolean {
  return fraction.length > 1 || !isExclusive;
}

function digit(low: number, high: number): string {
  return low === high ? `"${low}"` : `[${low}-${high}]`;
}

function digits(min: number, max: number): string {
  if (max === 0) return "";
  if (max === 1 && min === 1) return "[0-9]";
  return min === max ? `[0-9]{${min}}` : `[0-9]{${min},${max}}`;
}

function nines(count: number): string {
  return "9".repeat(count);
}
