import type { Steps } from "./bounds.ts";
import { both, type Constraints, exclude } from "./constraints.ts";
import {
  below,
  isSchemaObject,
  malformed,
  type Position,
  resolve,
  type SchemaObject,
  unsupported,
} from "./position.ts";
import { checkKeywords, readConstraints } from "./read.ts";

/** Most alternatives of one schema, once `allOf` and `anyOf` are multiplied out. */
const MAX_ALTERNATIVES = 500;

/** Steps that reading a schema takes, besides one per keyword: as much as merging that many alternatives. */
const READING = 10;

/** Deepest nesting of `allOf`, `anyOf`, `oneOf` and `$ref`. */
const MAX_DEPTH = 50;

/**
 * Alternatives that together are what all these schemas admit; none: nothing is admitted.
 *
 * @param whole what the schemas are a part of. @throws ServiceError naming the place of whatever cannot be honoured.
 */
export function expand(positions: readonly Position[], whole: Whole): readonly Constraints[] {
  return product(
    positions.map((position) => expandOne(position, whole, [])),
    whole.steps,
  );
}

/** A document with a schema, and the work on it so far. */
export interface Whole {
  /** For `$ref`. */
  readonly root: Position;
  readonly steps: Steps;
}

/** @param followed paths that `$ref` led through to come here. */
function expandOne(position: Position, whole: Whole, followed: readonly string[]): readonly Constraints[] {
  const { schema, path } = position;
  const { root, steps } = whole;
  if (schema === true) return [{ path }];
  if (schema === false) return [];
  if (!isSchemaObject(schema)) throw malformed(path, "expected a schema: an object, true or false");
  if (followed.includes(path)) throw malformed(path, "refers to itself without anything in between");
  if (followed.length > MAX_DEPTH) throw unsupported(path, `combines schemas deeper than ${MAX_DEPTH} levels`);
  steps.take(READING + Object.keys(schema).length);
  checkKeywords(position, schema);
  const inner = (each: Position): readonly Constraints[] => expandOne(each, whole, [...followed, path]);
  const own = [readConstraints(position, schema)];
  const reference = schema["$ref"];
  const target = reference === undefined ? [] : [inner(resolve(root, reference, `${path}.$ref`))];
  const all = listOf(position, schema, "allOf").map(inner);
  const base = product([own, ...target, ...all], steps);
  const any = listOf(position, schema, "anyOf").map(inner);
  const withAny = any.length > 0 ? product([base, any.flat()], steps) : base;
  const one = listOf(position, schema, "oneOf").map((branch) => ({
    branch,
    admits: product([withAny, inner(branch)], steps),
  }));
  if (one.length === 0) return withAny;
  const alternatives = one.flatMap(({ admits }) => admits);
  if (alternatives.length > MAX_ALTERNATIVES) throw tooMany(path);
  checkExclusive(one, whole);
  return alternatives;
}

function listOf(position: Position, schema: SchemaObject, keyword: "allOf" | "anyOf" | "oneOf"): readonly Position[] {
  const list = schema[keyword];
  if (list === undefined) return [];
  const at = below(position, keyword, list);
  if (!Array.isArray(list) || list.length === 0) throw malformed(at.path, "expected an array with at least one schema");
  return list.map((each: unknown, index) => below(at, String(index), each));
}

/** One alternative of every factor at once, wherever they do not contradict each other. */
function product(factors: readonly (readonly Constraints[])[], steps: Steps): readonly Constraints[] {
  const [first = [], ...others] = factors;
  return others.reduce((left, right) => {
    steps.take(right.length * total(left) + left.length * total(right));
    const combined = left.flatMap((one) => right.map((other) => both(one, other)).filter((each) => each !== undefined));
    const [example] = combined;
    if (example !== undefined && combined.length > MAX_ALTERNATIVES) {
      throw tooMany(example.path);
    }
    return combined;
  }, first);
}

/** How much there is to merge. */
function total(alternatives: readonly Constraints[]): number {
  return alternatives.reduce(
    (sum, { values, object }) => sum + 1 + (values?.length ?? object?.properties.size ?? 0),
    0,
  );
}

interface Branch {
  readonly branch: Position;
  readonly admits: readonly Constraints[];
}

/** A grammar cannot say "not the other one", so the branches must tell themselves apart. */
function checkExclusive(branches: readonly Branch[], whole: Whole): void {
  const inner = (positions: readonly Position[]): readonly Constraints[] => expand(positions, whole);
  const compared = branches.flatMap(({ admits }) => admits).map(({ object }) => 1 + (object?.required.size ?? 0));
  whole.steps.take(branches.length * compared.reduce((sum, each) => sum + each, 0));
  branches.forEach(({ branch, admits }, index) => {
    const rival = branches
      .slice(0, index)
      .find((other) => !admits.every((one) => other.admits.every((another) => exclude(one, another, inner))));
    if (rival === undefined) return;
    throw unsupported(
      branch.path,
      `a value may fit this and ${rival.branch.path} too, which oneOf forbids; use anyOf, or give both a required property with different constants`,
    );
  });
}

function tooMany(path: string): Error {
  return unsupported(path, `has more than ${MAX_ALTERNATIVES} alternatives once they are combined`);
}
