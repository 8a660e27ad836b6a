import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from "yaml";
import { ConfigError } from "./error.ts";

export type Path = readonly (string | number)[];

/** A YAML text as data, with the places its keys stand at. */
export interface ConfigDocument {
  /** Plain objects, arrays and scalars; `{}` for an empty file. */
  readonly value: unknown;
  /** `file:line:column`, both counted from 1, of the key at `path` or of its nearest parent in the text. */
  where(path: Path): string;
}

/**
 * @param label how messages call the file.
 * @throws ConfigError for text that is no YAML or has a key twice, one problem per place.
 */
export function parseConfigDocument(source: string, label: string): ConfigDocument {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, stringKeys: true });
  const place = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${label}:${line}:${col}`;
  };

  if (document.errors.length > 0) {
    throw new ConfigError(
      document.errors.map((error) => ({
        where: place(error.pos[0]),
        field: "",
        message: hint(error.code, error.message),
      })),
    );
  }
  const value: unknown = document.toJS();
  return {
    value: value ?? {},
    where: (path) => place(offsetOf(document.contents, path, (alias) => resolved(alias, document))),
  };
}

type Resolve = (node: unknown) => unknown;

function resolved(node: unknown, document: ReturnType<typeof parseDocument>): unknown {
  return isAlias(node) ? node.resolve(document) : node;
}

/** Offset of the deepest key on `path` that the text has. */
function offsetOf(root: Node | null, path: Path, resolve: Resolve): number {
  let node: unknown = root;
  let offset = 0;
  for (const step of path) {
    const found = child(resolve(node), step);
    if (found === undefined) break;
    offset = found.offset;
    node = found.node;
  }
  return offset;
}

function child(node: unknown, step: string | number): { readonly node: unknown; readonly offset: number } | undefined {
  if (isMap(node)) {
    const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(step));
    if (pair === undefined || !isScalar(pair.key)) return undefined;
    return { node: pair.value, offset: pair.key.range?.[0] ?? 0 };
  }
  if (isSeq(node) && typeof step === "number") {
    const item = node.items[step] as Node | undefined;
    if (item !== undefined) return { node: item, offset: item.range?.[0] ?? 0 };
  }
  return undefined;
}

function hint(code: string, message: string): string {
  if (code === "DUPLICATE_KEY") return "this key stands here twice; remove one of them";
  if (code === "TAB_AS_INDENT") return "expected blanks, found a tab; indent with blanks";
  return `expected YAML: ${message}`;
}
