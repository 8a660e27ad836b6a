import { z } from "zod";
import type { Path } from "./document.ts";
import type { Problem } from "./error.ts";
import { nearest } from "./nearest.ts";

/** What a JSON Schema node says about the keys below it. */
interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
}

/**
 * Problems for people, in the order the schema found them.
 *
 * @param raw the value that was checked.
 * @param where the place of a path, as `Problem` spells it.
 */
export function explain(error: z.ZodError, schema: z.ZodType, raw: unknown, where: (path: Path) => string): Problem[] {
  const node = z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as SchemaNode;
  return error.issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
    const problem = (at: Path, message: string): Problem => ({ where: where(at), field: at.join("."), message });
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => problem([...path, key], unknownKey(key, knownKeys(node, path))));
    }
    if (issue.code === "invalid_key") return issue.issues.map(({ message }) => problem(path, `${message} as the key`));
    return [problem(path, withFound(issue.message, path, raw))];
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const meant = nearest(key, known);
  if (meant !== undefined) return `unknown key; did you mean "${meant}"?`;
  return `unknown key; the keys here are ${known.join(", ")}`;
}

function knownKeys(root: SchemaNode, path: Path): readonly string[] {
  let node: SchemaNode | undefined = root;
  for (const step of path) {
    const rest: SchemaNode | boolean | undefined = node?.additionalProperties;
    node = node?.properties?.[String(step)] ?? node?.items ?? (typeof rest === "object" ? rest : undefined);
  }
  return Object.keys(node?.properties ?? {});
}

function withFound(message: string, path: Path, raw: unknown): string {
  // Keys and passwords are secrets: what stands in their place is never repeated.
  if (SECRET.has(String(path[0])) || !message.startsWith("expected")) return message;
  return `${message}, found ${shown(valueAt(raw, path))}`;
}

function valueAt(raw: unknown, path: Path): unknown {
  let value = raw;
  for (const step of path) value = (value as Record<string | number, unknown> | null | undefined)?.[step];
  return value;
}

/** Top-level keys. */
const SECRET: ReadonlySet<string> = new Set(["api_keys", "admin_keys", "database"]);

/** Longest value repeated in a message, UTF-16 units. */
const MAX_SHOWN = 60;

function shown(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "an empty value";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  const text = JSON.stringify(value);
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}
