import { expect, test } from "vitest";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { ROUTES, serve } from "../../test/support/scripted-service.ts";
import { configuredKeys } from "./auth.ts";
import { openApiDocument } from "./openapi.ts";

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required: boolean }[];
  readonly requestBody?: { readonly content: Record<string, { schema: { $ref: string } }> };
  readonly responses: Record<string, { readonly $ref?: string; readonly description?: string }>;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: Record<string, Record<string, unknown>>;
  readonly security: unknown;
}

const document = JSON.parse(
  JSON.stringify(openApiDocument({ routes: ROUTES, isOpen: false, version: "1.2.3" })),
) as Document;

const operations = Object.values(document.paths).flatMap((item) =>
  Object.entries(item).flatMap(([method, operation]) => (method === "parameters" ? [] : [operation])),
);

/** Every object within a value, itself included. */
function* objects(value: unknown): Generator<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return;
  if (!Array.isArray(value)) yield value as Record<string, unknown>;
  for (const inner of Object.values(value)) yield* objects(inner);
}

test("the document is OpenAPI 3.1 with a title and the program's version", async () => {
  const { url } = await serve(new ScriptedEngine(() => saying(["a"])), { authenticator: configuredKeys(["k"], "w") });

  const response = await fetch(`${url}/openapi.json`);

  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ openapi: "3.1.0", info: { title: "Continuo", version: "0.0.0" } });
});

test("every path that is served is described", () => {
  const served = [
    ...ROUTES.map(({ path }) => path),
    "/v1/models",
    "/v1/models/{model}",
    "/health",
    "/ready",
    "/metrics",
  ];

  expect(Object.keys(document.paths)).toEqual(expect.arrayContaining(served));
});

test("every reference leads to something", () => {
  const references = [...objects(document)].flatMap((object) =>
    typeof object["$ref"] === "string" ? [object["$ref"]] : [],
  );

  expect(references.length).toBeGreaterThan(50);
  for (const reference of references) {
    const [root, components, section, name] = reference.split("/");
    expect([root, components]).toEqual(["#", "components"]);
    expect(document.components[section ?? ""], reference).toHaveProperty([name ?? ""]);
  }
});

test("no operation shares its id with another, and every response has a description", () => {
  const ids = operations.map(({ operationId }) => operationId);

  expect(new Set(ids).size).toBe(ids.length);
  for (const response of operations.flatMap((operation) => Object.values(operation.responses))) {
    expect(response.$ref ?? response.description).toBeTypeOf("string");
  }
});

test("every continuation describes its body, a stream and all errors in its own shape", () => {
  for (const { path, protocol } of ROUTES) {
    const operation = document.paths[path]?.["post"];
    const shape = protocol.name === "generation" ? "DashScope" : "OpenAi";

    expect(operation?.requestBody?.content["application/json"]?.schema.$ref).toMatch(/Request$/);
    expect(operation?.responses["200"]).toMatchObject({
      headers: { "x-request-id": {}, "x-continuo-model": {}, "x-continuo-ignored": {}, "x-continuo-truncated": {} },
      content: { "application/json": {}, "text/event-stream": {} },
    });
    for (const status of ["400", "401", "403", "404", "413", "500", "503"]) {
      expect(operation?.responses[status]?.$ref).toBe(`#/components/responses/${shape}${status}`);
    }
  }
});

test("schemas are plain JSON Schema: no ids or definitions of their own", () => {
  for (const schema of Object.values(document.components["schemas"] ?? {})) {
    for (const key of ["$schema", "$id", "$defs", "id"]) expect(schema).not.toHaveProperty([key]);
  }
});

test("keys are required exactly when the server needs them", () => {
  expect(document.security).toEqual([{ key: [] }]);
  expect(openApiDocument({ routes: ROUTES, isOpen: true, version: "1" })["security"]).toEqual([{}]);
});
