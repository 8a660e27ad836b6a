import { both, type Constraints, exclude } from "./constraints.ts";
import type { Document } from "./document.ts";
import { below, isSchemaObject, malformed, type Position, type SchemaObject, shown, unsupported } from "./position.ts";
import { checkKeywords, isNullable, readConstraints } from "./read.ts";

/** Most alternatives of one schema, once `allOf` and `anyOf` are multiplied out. */
const MAX_ALTERNATIVES = 500;

/** Deepest nesting of `allOf`, `anyOf`, `oneOf` and `$ref`. */
const MAX_DEPTH = 50;

/** Most properties and alternatives looked at to combine them: some 100 ms. */
const MAX_EFFORT = 200_000;

/** Listed values that are looked up in the time of one alternative. */
const VALUES_PER_EFFORT = 8;

interface Branch {
  readonly branch: Position;
  readonly admits: readonly Constraints[];
}

/** Multiplies out what combines schemas, within one document. */
export class Expander {
  readonly #document: Document;
  /** By path; those of schemas that have been multiplied out. */
  readonly #known = new Map<string, readonly Constraints[]>();
  #effort = 0;

  constructor(document: Document) {
    this.#document = document;
  }

  /**
   * Alternatives that together are what all these schemas admit; none: nothing is admitted.
   *
   * @throws ServiceError naming the place of whatever cannot be honoured.
   */
  expand(positions: readonly Position[]): readonly Constraints[] {
    return this.#product(positions.map((position) => this.#one(position, [])));
  }

  #one(position: Position, followed: readonly string[]): readonly Constraints[] {
    const known = this.#known.get(position.path);
    if (known !== undefined) return known;
    const { schema, path } = position;
    const read = this.#read(position, followed);
    const orNull = isSchemaObject(schema) && isNullable(position, schema);
    const alternatives = orNull ? [...read, { path, types: new Set(["null"] as const) }] : read;
    this.#known.set(position.path, alternatives);
    return alternatives;
  }

  /** @param followed paths that `$ref` led through to come here. */
  #read(position: Position, followed: readonly string[]): readonly Constraints[] {
    const { schema, path } = position;
    if (schema === true) return [{ path }];
    if (schema === false || isNever(schema)) return [];
    if (!isSchemaObject(schema)) throw malformed(path, "expected a schema: an object, true or false");
    if (followed.includes(path)) throw malformed(path, "refers to itself without anything in between");
    if (followed.length > MAX_DEPTH) throw unsupported(path, `combines schemas deeper than ${MAX_DEPTH} levels`);
    checkKeywords(position, schema);
    const inner = (each: Position): readonly Constraints[] => this.#one(each, [...followed, path]);
    const own = [readConstraints(position, schema)];
    const reference = schema["$ref"];
    const target = reference === undefined ? [] : [inner(this.#document.resolve(reference, `${path}.$ref`))];
    const all = listOf(position, schema, "allOf").map(inner);
    const base = this.#product([own, ...target, ...all]);
    const any = listOf(position, schema, "anyOf").map(inner);
    const withAny = any.length > 0 ? this.#product([base, any.flat()]) : base;
    const one = listOf(position, schema, "oneOf").map((branch) => ({
      branch,
      admits: this.#product([withAny, inner(branch)]),
    }));
    if (one.length === 0) return withAny;
    const alternatives = one.flatMap(({ admits }) => admits);
    if (alternatives.length > MAX_ALTERNATIVES) throw tooMany(path);
    this.#checkExclusive(one);
    return alternatives;
  }

  /** One alternative of every factor at once, wherever they do not contradict each other. */
  #product(factors: readonly (readonly Constraints[])[]): readonly Constraints[] {
    const [first = [], ...others] = factors;
    return others.reduce((left, right) => {
      const combined: Constraints[] = [];
      for (const one of left) {
        for (const other of right) {
          this.#spend(1 + propertiesOf(one) + propertiesOf(other));
          const each = both(one, other);
          if (each !== undefined && combined.push(each) > MAX_ALTERNATIVES) throw tooMany(each.path);
        }
      }
      return combined;
    }, first);
  }

  /** A grammar cannot say "not the other one", so the branches must be distinguishable. */
  #checkExclusive(branches: readonly Branch[]): void {
    const inner = (positions: readonly Position[]): readonly Constraints[] => {
      const alternatives = this.expand(positions);
      this.#spend(alternatives.reduce((effort, each) => effort + effortOf(each), 1));
      return alternatives;
    };
    const areApart = (some: readonly Constraints[], others: readonly Constraints[]): boolean =>
      some.every((one) =>
        others.every((other) => {
          this.#spend(1 + effortOf(one) + effortOf(other));
          return exclude(one, other, inner);
        }),
      );
    branches.forEach(({ branch, admits }, index) => {
      const rival = branches.slice(0, index).find((other) => !areApart(admits, other.admits));
      if (rival === undefined) return;
      throw unsupported(
        branch.path,
        `a value may fit this and ${shown(rival.branch.path)} too, which oneOf forbids; use anyOf, or give both a required property with different constants`,
      );
    });
  }

  #spend(effort: number): void {
    this.#effort += effort;
    if (this.#effort > MAX_EFFORT)
      throw unsupported(this.#document.root.path, "combines too many schemas with each other; use fewer alternatives");
  }
}

/** As TypeBox writes `false`. */
function isNever(schema: unknown): boolean {
  const not = isSchemaObject(schema) ? schema["not"] : undefined;
  return not === true || (isSchemaObject(not) && Object.keys(not).length === 0);
}

function listOf(position: Position, schema: SchemaObject, keyword: "allOf" | "anyOf" | "oneOf"): readonly Position[] {
  const list = schema[keyword];
  if (list === undefined) return [];
  const at = below(position, keyword, list);
  if (!Array.isArray(list) || list.length === 0) throw malformed(at.path, "expected an array with at least one schema");
  return list.map((each: unknown, index) => below(at, String(index), each));
}

/** Of comparing its values with others. */
function effortOf({ values }: Constraints): number {
  return Math.floor((values?.length ?? 0) / VALUES_PER_EFFORT);
}

function propertiesOf({ object, values }: Constraints): number {
  return (object?.properties.size ?? 0) + (values?.length ?? 0);
}

function tooMany(path: string): Error {
  return unsupported(path, `has more than ${MAX_ALTERNATIVES} alternatives once they are combined`);
}
