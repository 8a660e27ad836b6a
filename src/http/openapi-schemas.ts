import { z } from "zod";

/** A JSON object of the OpenAPI document. */
export type Json = Record<string, unknown>;

/** Collects schemas as components; each zod schema that has an id stays one. */
export class Schemas {
  readonly all: Json = {};

  ref(schema: z.ZodType, io: "input" | "output" = "output"): Json {
    const converted = z.toJSONSchema(schema, { target: "draft-2020-12", io, unrepresentable: "any" });
    const { $schema: _dialect, $defs: definitions = {}, id, ...root } = moved(converted) as Json & { $defs?: Json };
    for (const [name, { id: _id, ...definition }] of Object.entries(definitions as Record<string, Json>)) {
      this.all[name] = definition;
    }
    if (typeof id !== "string") return root;
    this.all[id] = root;
    return { $ref: `#/components/schemas/${id}` };
  }
}

/** The same schema with its inner references pointing to components, without the bounds that JavaScript has anyway. */
function moved(schema: unknown): unknown {
  return JSON.parse(JSON.stringify(schema), (key, value: unknown) => {
    if (key === "$ref" && typeof value === "string") return value.replace("#/$defs/", "#/components/schemas/");
    const isBound = key === "minimum" || key === "maximum";
    return isBound && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER ? undefined : value;
  });
}

export function json(schema: Json): Json {
  return { "application/json": { schema } };
}

/** `post /v1/chat/completions` -> `post_v1_chat_completions`. */
export function operationId(method: string, path: string): string {
  return [method, ...path.split(/[^A-Za-z0-9]+/)].filter((word) => word !== "").join("_");
}
