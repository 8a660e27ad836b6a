import { z } from "zod";
import {
  modelLimits,
  modelPermissions,
  nativeModels,
  permissionChange,
  permissionsChanged,
} from "../wire/dashscope/models.ts";
import { ADMIN_OPERATIONS, type AdminOperation } from "./admin-operations.ts";
import { LIMITS_PATH, NATIVE_MODELS_PATH, PERMISSIONS_PATH } from "./native-model-routes.ts";
import { type Json, json, operationId, type Schemas } from "./openapi-schemas.ts";

/** The administration API and DashScope's calls about models. */
export function administrationPaths(schemas: Schemas): Json {
  const paths: Record<string, Json> = {};
  for (const operation of ADMIN_OPERATIONS) {
    paths[operation.path] = {
      ...paths[operation.path],
      [operation.method.toLowerCase()]: adminEntry(operation, schemas),
    };
  }
  return { ...paths, ...nativePaths(schemas) };
}

const ADMIN_KEY: Json = { security: [{ adminKey: [] }] };

function adminEntry({ method, path, summary, input, answer, status }: AdminOperation, schemas: Schemas): Json {
  const inPath = (field: string): boolean => path.includes(`{${field}}`);
  const isQuery = method === "GET" || method === "DELETE";
  const fields = Object.keys(input.shape);
  const parameters = fields.filter((field) => isQuery || inPath(field));
  const inBody = fields.filter((field) => !parameters.includes(field));
  const body = parameters.length === 0 ? input : z.strictObject(pick(input.shape, inBody));
  const hasBody = inBody.length > 0;
  return {
    operationId: operationId(method.toLowerCase(), path),
    summary,
    tags: ["administration"],
    ...ADMIN_KEY,
    ...(parameters.length > 0 && {
      parameters: parameters.map((field) => parameter(field, input, inPath(field) ? "path" : "query", schemas)),
    }),
    ...(hasBody && { requestBody: { required: required(body), content: json(schemas.ref(body, "input")) } }),
    responses: {
      [status]: {
        description: "Done",
        headers: { "x-request-id": { $ref: "#/components/headers/RequestId" } },
        content: json(schemas.ref(answer)),
      },
      ...errors("OpenAi", ["400", "401", "403", "404", "409", "413", "500", "503"]),
    },
  };
}

function pick(shape: z.ZodRawShape, fields: readonly string[]): z.ZodRawShape {
  return Object.fromEntries(Object.entries(shape).filter(([field]) => fields.includes(field)));
}

function parameter(name: string, input: z.ZodObject, place: "path" | "query", schemas: Schemas): Json {
  const schema = input.shape[name];
  const isRequired = place === "path" || schema?.safeParse(undefined).success !== true;
  // Only fields of the schema come here.
  return { name, in: place, required: isRequired, schema: schemas.ref(schema as z.ZodType, "input") };
}

function required(schema: z.ZodObject): boolean {
  return !schema.safeParse({}).success;
}

function nativePaths(schemas: Schemas): Json {
  const query = (name: string, description: string): Json => ({
    ...{ name, in: "query", required: false, description },
    schema: { type: "string" },
  });
  const workspace = {
    ...{ name: "X-DashScope-WorkSpace", in: "header", required: false, schema: { type: "string" } },
    description: "With an admin key: id of the workspace; absent: the default one",
  };
  const shared = [
    query("name", "A part of the name"),
    query("model", "The whole name"),
    query("page_no", "From 1; absent: 1"),
    query("page_size", "1 to 200; absent: 20"),
  ];
  const scope = query(
    "authorization_scope",
    "AUTHORIZABLE: all models (default); AUTHORIZED: those that may be called",
  );
  const entry = (method: string, path: string, summary: string, answer: z.ZodType, more: Json): Json => ({
    [method]: {
      ...{ operationId: operationId(method, path), summary, tags: ["dashscope"], ...more },
      responses: {
        "200": {
          description: "Done",
          headers: { "x-request-id": { $ref: "#/components/headers/RequestId" } },
          content: json(schemas.ref(answer)),
        },
        ...errors("DashScope", ["400", "401", "403", "500", "503"]),
      },
    },
  });
  const body = { required: true, content: json(schemas.ref(permissionChange, "input")) };
  return {
    [NATIVE_MODELS_PATH]: entry("get", NATIVE_MODELS_PATH, "The models that may be called", nativeModels, {
      parameters: shared,
    }),
    [PERMISSIONS_PATH]: {
      ...entry("get", PERMISSIONS_PATH, "What a workspace may call", modelPermissions, {
        parameters: [...shared, scope, workspace],
      }),
      ...entry("post", PERMISSIONS_PATH, "Change what a workspace may call", permissionsChanged, {
        ...{ ...ADMIN_KEY, parameters: [workspace], requestBody: body },
      }),
    },
    [LIMITS_PATH]: entry("get", LIMITS_PATH, "How much a workspace may use in a minute", modelLimits, {
      parameters: [...shared, workspace],
    }),
  };
}

function errors(shape: "OpenAi" | "DashScope", statuses: readonly string[]): Json {
  return Object.fromEntries(statuses.map((status) => [status, { $ref: `#/components/responses/${shape}${status}` }]));
}
