/**
 * Keeps the reference in `docs/` true: the tables there have exactly the schema's keys, shapes and defaults.
 * To write the English one anew: `UPDATE_DOCS=1 npx vitest run src/config/reference`.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { configSchema } from "./schema.ts";

const ENGLISH = new URL("../../docs/configuration.md", import.meta.url);
const CHINESE = new URL("../../docs/configuration.zh-CN.md", import.meta.url);

interface SchemaNode {
  readonly type?: string;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default?: unknown;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | boolean;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly const?: unknown;
}

type Row = readonly [key: string, shape: string, initial: string, meaning: string];

function rowsOf(node: SchemaNode, path: string): Row[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, child]): Row[] => {
    const key = path + name;
    const row: Row = [`\`${key}\``, shapeOf(child), initialOf(child), child.description ?? ""];
    const { additionalProperties: each, items } = child;
    if (typeof each === "object") return [row, ...rowsOf(each, `${key}.<name>.`)];
    if (items?.properties !== undefined) return [row, ...rowsOf(items, `${key}[].`)];
    return [row, ...rowsOf(child, `${key}.`)];
  });
}

function shapeOf({ type, enum: values, minimum, maximum, items, properties, anyOf, ...node }: SchemaNode): string {
  if (anyOf !== undefined) return anyOf.map(shapeOf).join(" or ");
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  if (values !== undefined) return values.map((value) => `\`${value}\``).join(" ");
  if (type === "array") return `list of ${items?.properties === undefined ? "text" : "mappings"}`;
  if (type === "integer" || type === "number") return `${type} ${minimum}…${maximum}`;
  if (type === "string") return "text";
  if (type === "object") return properties === undefined ? "mapping by name" : "mapping";
  return type ?? "";
}

function initialOf({ default: value, type }: SchemaNode): string {
  return value === undefined || type === "object" || type === "array" ? "" : `\`${String(value)}\``;
}

const ROWS = rowsOf(z.toJSONSchema(configSchema, { io: "input" }) as SchemaNode, "");

/** The table between the two comment lines. */
const BLOCK = /(<!-- keys -->\n)([\s\S]*?)(<!-- \/keys -->)/;

function tableIn(file: URL): string[][] {
  const lines = (BLOCK.exec(readFileSync(file, "utf8"))?.[2] ?? "").trim().split("\n").slice(2);
  return lines.map((line) =>
    line
      .slice(1, -1)
      .split("|")
      .map((cell) => cell.trim()),
  );
}

describe("the reference of the configuration", () => {
  test("in English is the schema's", () => {
    const table = [
      "| Key | Shape | Default | Meaning |",
      "| --- | --- | --- | --- |",
      ...ROWS.map((row) => `| ${row.join(" | ")} |`),
    ];
    if (process.env["UPDATE_DOCS"] !== undefined) {
      const text = readFileSync(ENGLISH, "utf8");
      writeFileSync(
        ENGLISH,
        text.replace(BLOCK, (_all, start, _old, end) => `${start}${table.join("\n")}\n${end}`),
      );
    }

    expect(tableIn(ENGLISH)).toEqual(ROWS.map((row) => row.map((cell) => cell.trim())));
  });

  test("in Chinese has the same keys and defaults, each with a meaning", () => {
    const table = tableIn(CHINESE);

    expect(table.map(([key, , initial]) => [key, initial])).toEqual(ROWS.map(([key, , initial]) => [key, initial]));
    for (const [key, , , meaning] of table) expect(meaning, key).toMatch(/\p{Script=Han}/u);
  });
});
