import { lengthsOf, type Pattern } from "./pattern.ts";

/**
 * Those matches of a pattern that have from `min` to `max` characters, or some of them: the pattern with the bounds of its
 * repetitions drawn together until no match has another length.
 *
 * @returns undefined when no such bounds are found.
 */
export function fitted(pattern: Pattern, min: number, max: number): Pattern | undefined {
  const long = lengthened(pattern, min);
  if (long === undefined) return undefined;
  if (longest(long) <= max) return long;
  let [fits, tooMany] = [-1, max + 1];
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2);
    if (longest(capped(long, middle)) <= max) fits = middle;
    else tooMany = middle;
  }
  return fits < 0 ? undefined : capped(long, fits);
}

function shortest(pattern: Pattern): number {
  return lengthsOf(pattern)[0];
}

function longest(pattern: Pattern): number {
  return lengthsOf(pattern)[1];
}

/** Matches whose repetitions come to at most `most`, wherever they may. */
function capped(pattern: Pattern, most: number): Pattern {
  switch (pattern.kind) {
    case "character":
      return pattern;
    case "sequence":
      return { ...pattern, items: pattern.items.map((item) => capped(item, most)) };
    case "choice":
      return { ...pattern, options: pattern.options.map((option) => capped(option, most)) };
    case "repeat": {
      const { item, min, max } = pattern;
      return { ...pattern, item: capped(item, most), max: Math.max(min, Math.min(max, most)) };
    }
  }
}

/** Matches of at least `min` characters. Undefined: none is found. */
function lengthened(pattern: Pattern, min: number): Pattern | undefined {
  if (shortest(pattern) >= min) return pattern;
  if (longest(pattern) < min) return undefined;
  switch (pattern.kind) {
    case "character":
      return undefined;
    case "sequence":
      return lengthenedSequence(pattern.items, min);
    case "choice": {
      const options = pattern.options.map((option) => lengthened(option, min)).filter((each) => each !== undefined);
      return options.length === 0 ? undefined : { kind: "choice", options };
    }
    case "repeat": {
      const { max } = pattern;
      const item = shortest(pattern.item) === 0 ? lengthened(pattern.item, 1) : pattern.item;
      if (item === undefined) return undefined;
      const count = Math.ceil(min / shortest(item));
      if (count <= max) return { kind: "repeat", item, min: Math.max(pattern.min, count), max };
      const each = lengthened(item, Math.ceil(min / max));
      return each && { kind: "repeat", item: each, min: max, max };
    }
  }
}

/** The first parts that can be longer are. */
function lengthenedSequence(items: readonly Pattern[], min: number): Pattern | undefined {
  let missing = min - shortest({ kind: "sequence", items });
  const longer = items.map((item) => {
    const [low, high] = lengthsOf(item);
    const wanted = Math.min(low + missing, high);
    const lengthy = missing > 0 && wanted > low ? lengthened(item, wanted) : undefined;
    missing -= lengthy === undefined ? 0 : shortest(lengthy) - low;
    return lengthy ?? item;
  });
  return missing > 0 ? undefined : { kind: "sequence", items: longer };
}
