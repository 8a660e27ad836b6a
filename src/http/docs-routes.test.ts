import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { callOf } from "../../test/support/protocol-call.ts";
import { ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import { ROUTES, serve } from "../../test/support/scripted-service.ts";
import { openApiDocument } from "./openapi.ts";
import { examplesOf } from "./openapi-examples.ts";

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

test("every example is a body that its route takes, and nothing of it is ignored", () => {
  for (const { path, protocol } of ROUTES) {
    const examples = Object.values(examplesOf(protocol));

    expect(examples.length).toBeGreaterThanOrEqual(2);
    expect(Object.keys(document.paths[path]?.["post"]?.requestBody?.content ?? {})).toEqual(["application/json"]);
    for (const { summary, value } of examples) {
      expect(protocol.body.safeParse(value).error, summary).toBeUndefined();
      const { ignored } = protocol.decode(value as Readonly<Record<string, unknown>>, callOf());
      expect(ignored, summary).toEqual([]);
    }
  }
});

describe("the reference page", () => {
  const serving = () => serve(new ScriptedEngine(() => saying(["a"])), { authenticator: configuredKeys(["k"], "w") });

  /** Addresses that the page's markup makes a browser fetch. */
  const fetched = (html: string): string[] =>
    [...html.matchAll(/<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"/g)].map(([, address = ""]) => address);

  test("needs no key, and neither does anything it fetches", async () => {
    const { url } = await serving();
    const page = await fetch(`${url}/docs`);
    const addresses = fetched(await page.text()).filter((address) => !address.startsWith("data:"));

    expect([page.status, page.headers.get("content-type")]).toEqual([200, "text/html; charset=utf-8"]);
    expect(addresses).toEqual(["docs/swagger-ui.css", "docs/swagger-ui-bundle.js", "docs/page.js"]);
    for (const address of [...addresses, "openapi.json"]) {
      const asset = await fetch(new URL(address, `${url}/docs`));
      expect([asset.status, (await asset.text()).length > 100], address).toEqual([200, true]);
    }
  });

  test("may load from this server alone, and says so to the browser", async () => {
    const { url } = await serving();

    for (const path of ["/docs", "/docs/page.js", "/docs/swagger-ui.css", "/docs/swagger-ui-bundle.js"]) {
      const { headers } = await fetch(url + path);
      const policy = headers.get("content-security-policy") ?? "";
      expect(policy).toContain("default-src 'none'");
      expect(policy).not.toMatch(/unsafe|https?:|\*/);
      expect(headers.get("x-content-type-options")).toBe("nosniff");
    }
  });

  test("has relative addresses only, in its markup, its script and its style sheet", async () => {
    const { url } = await serving();
    const text = async (path: string): Promise<string> => (await fetch(url + path)).text();

    expect(await text("/docs")).not.toMatch(/(?:src|href)="(?:https?:)?\//);
    expect(await text("/docs/page.js")).not.toMatch(/https?:/);
    expect(await text("/docs/swagger-ui.css")).not.toMatch(/@import|url\(["']?(?:https?:)?\//);
    expect(JSON.parse(await text("/openapi.json"))).toMatchObject({ servers: [{ url: "." }] });
  });

  test.each([
    ["/", "docs"],
    ["/docs/", "../docs"],
  ])("%s leads to it, under any path of a proxy", async (path, location) => {
    const { url } = await serving();
    const response = await fetch(url + path, { redirect: "manual" });

    expect([response.status, response.headers.get("location")]).toEqual([302, location]);
    expect((await fetch(url + path)).headers.get("content-type")).toBe("text/html; charset=utf-8");
  });
});
