import type { z } from "zod";
import type { Protocol } from "../protocols/protocol.ts";
import { dashScopeErrorBody } from "../wire/dashscope/error.ts";
import { generationResponse } from "../wire/dashscope/generation.ts";
import { chatChunk, chatResponse } from "../wire/openai/chat.ts";
import { completionsResponse } from "../wire/openai/completions.ts";
import { openAiErrorBody } from "../wire/openai/error.ts";
import { modelEntry, modelList } from "../wire/openai/models.ts";
import type { ProtocolRoute } from "./failure.ts";
import { MODEL_PATHS } from "./model-routes.ts";
import { administrationPaths } from "./openapi-admin.ts";
import { examplesOf } from "./openapi-examples.ts";
import { type Json, json, operationId, Schemas } from "./openapi-schemas.ts";

export interface OpenApiSource {
  readonly routes: readonly ProtocolRoute[];
  /** No key is needed. */
  readonly isOpen: boolean;
  readonly version: string;
}

const SUMMARIES: Readonly<Record<Protocol["name"], string>> = {
  completions: "Continue a text, or fill in its middle",
  chat: "Answer a dialogue, or continue its last assistant message (Partial Mode)",
  generation: "DashScope's own route: answer a dialogue, or continue its last assistant message",
};

/** Answers of each protocol: plain, and the data of one event of a stream. */
const ANSWERS: Readonly<Record<Protocol["name"], { readonly whole: z.ZodType; readonly event: z.ZodType }>> = {
  completions: { whole: completionsResponse, event: completionsResponse },
  chat: { whole: chatResponse, event: chatChunk },
  generation: { whole: generationResponse, event: generationResponse },
};

const ERRORS: readonly (readonly [status: string, description: string])[] = [
  ["400", "The body, a parameter, a schema or the input is not as expected; the message says what is, and where"],
  ["401", "The key is missing or wrong"],
  ["403", "The workspace, the model, the host name or the site of the calling page is not allowed"],
  ["404", "The model does not exist, or does not belong to this route"],
  ["409", "What is there already stands against the change; nothing has changed"],
  ["413", "The body is too large"],
  ["415", "From a browser: the body is not labelled as `application/json`"],
  ["429", "The workspace has used up a limit; see `Retry-After`, which a monthly budget does not have"],
  ["500", "Internal error, or the time limit passed before anything was generated"],
  ["503", "The model is not available, the queue is full, or the server is shutting down; see `Retry-After`"],
];

const HEADERS: Json = {
  RequestId: header("Lower-case UUID, equal to `request_id` of an error body"),
  Model: header("Name of the weights that really answered"),
  Ignored: header("Comma-separated request fields that had no effect"),
  Truncated: header("Prompt tokens cut off because `truncate_prompt` allowed it"),
  PartialResponse: header("`true`: the time limit cut this answer; `finish_reason` is null"),
  RetryAfter: header("Seconds to wait before trying again"),
};

/** Groups of the reference page, in its order. */
const TAGS: readonly Json[] = [
  { name: "openai", description: "OpenAI's own bounds and errors, and what this server adds" },
  { name: "dashscope", description: "As Alibaba Cloud Model Studio documents them" },
  { name: "models", description: "Names that can be called, and who answers to them" },
  { name: "administration", description: "Keys, workspaces and grants; needs an admin key" },
  { name: "server", description: "Probes and metrics" },
];

/** How DashScope's own route is asked for a stream. */
const SSE_HEADER: Json = {
  name: "X-DashScope-SSE",
  in: "header",
  required: false,
  description: "`enable` asks for a stream of events",
  schema: { type: "string", enum: ["enable"] },
};

/** The OpenAPI 3.1 document, from the schemas the protocols themselves carry. */
export function openApiDocument(source: OpenApiSource): Json {
  const schemas = new Schemas();
  const paths: Json = {};
  for (const { path, protocol } of source.routes) paths[path] = { post: operation(protocol, path, schemas) };
  for (const path of MODEL_PATHS) Object.assign(paths, modelPaths(path, schemas));
  Object.assign(paths, administrationPaths(schemas), healthPaths());
  const errors = { OpenAi: schemas.ref(openAiErrorBody), DashScope: schemas.ref(dashScopeErrorBody) };
  const responses = Object.entries(errors).flatMap(([shape, schema]) =>
    ERRORS.map(([status, description]) => [`${shape}${status}`, errorResponse(status, description, schema)]),
  );
  return {
    openapi: "3.1.0",
    info: {
      title: "Continuo",
      version: source.version,
      summary: "Text continuation: fill-in-the-middle and Partial Mode over the OpenAI and DashScope wire formats",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    // Relative to this document, which a proxy may have put under a path of its own.
    servers: [{ url: "." }],
    tags: TAGS,
    paths,
    components: {
      schemas: schemas.all,
      responses: Object.fromEntries(responses),
      headers: HEADERS,
      securitySchemes: {
        key: { type: "http", scheme: "bearer" },
        adminKey: { type: "http", scheme: "bearer", description: "`CONTINUO_ADMIN_KEY` or one of `admin_keys`" },
      },
    },
    security: source.isOpen ? [{}] : [{ key: [] }],
  };
}

function operation(protocol: Protocol, path: string, schemas: Schemas): Json {
  const { whole, event } = ANSWERS[protocol.name];
  const headers = {
    ...answerHeaders("RequestId", "Model", "Ignored", "Truncated"),
    "x-dashscope-partialresponse": { $ref: "#/components/headers/PartialResponse" },
  };
  return {
    operationId: operationId("post", path),
    summary: SUMMARIES[protocol.name],
    tags: [protocol.dialect],
    ...(protocol.name === "generation" && { parameters: [SSE_HEADER] }),
    requestBody: {
      required: true,
      content: { "application/json": { schema: schemas.ref(protocol.body, "input"), examples: examplesOf(protocol) } },
    },
    responses: {
      "200": {
        description: "The continuation: one JSON object, or events as they arise when a stream was asked for",
        headers,
        content: {
          "application/json": { schema: schemas.ref(whole) },
          "text/event-stream": {
            schema: {
              type: "string",
              description: "Server-sent events; the data of each is the object under `x-event-data`",
              "x-event-data": schemas.ref(event),
            },
          },
        },
      },
      ...errorResponses(protocol.name === "generation" ? "DashScope" : "OpenAi"),
    },
  };
}

function modelPaths(path: string, schemas: Schemas): Json {
  const answer = (description: string, schema: z.ZodType): Json => ({
    "200": { description, headers: answerHeaders("RequestId"), content: json(schemas.ref(schema)) },
    ...errorResponses("OpenAi"),
  });
  const parameter = { name: "model", in: "path", required: true, schema: { type: "string" } };
  return {
    [path]: {
      get: {
        operationId: operationId("get", path),
        summary: "Every model name",
        tags: ["models"],
        responses: answer("The list", modelList),
      },
    },
    [`${path}/{model}`]: {
      parameters: [parameter],
      get: {
        operationId: operationId("get", `${path}/model`),
        summary: "One model name: what it can do, and who answers to it",
        tags: ["models"],
        responses: answer("The model", modelEntry),
      },
    },
  };
}

function healthPaths(): Json {
  const object = json({ type: "object" });
  const probe = (id: string, summary: string, responses: Json): Json => ({
    get: { operationId: id, summary, tags: ["server"], security: [{}], responses },
  });
  return {
    "/health": probe("health", "The process lives", { "200": { description: "It does", content: object } }),
    "/ready": probe("ready", "Requests can be answered", {
      "200": { description: "They can", content: object },
      "503": { description: "Not now; `reason` says why and what to do", content: object },
    }),
    "/metrics": {
      get: {
        operationId: "metrics",
        tags: ["server"],
        summary: "Prometheus text format",
        responses: {
          "200": { description: "All metrics", content: { "text/plain": { schema: { type: "string" } } } },
          "401": { $ref: "#/components/responses/OpenAi401" },
        },
      },
    },
  };
}

function errorResponse(status: string, description: string, schema: Json): Json {
  const names: HeaderName[] = ["429", "503"].includes(status) ? ["RequestId", "RetryAfter"] : ["RequestId"];
  return { description, headers: answerHeaders(...names), content: json(schema) };
}

function errorResponses(shape: "OpenAi" | "DashScope"): Json {
  const told = ERRORS.filter(([status]) => status !== "409");
  return Object.fromEntries(told.map(([status]) => [status, { $ref: `#/components/responses/${shape}${status}` }]));
}

type HeaderName = "RequestId" | "Model" | "Ignored" | "Truncated" | "RetryAfter";

const HEADER_NAMES: Readonly<Record<HeaderName, string>> = {
  RequestId: "x-request-id",
  Model: "x-continuo-model",
  Ignored: "x-continuo-ignored",
  Truncated: "x-continuo-truncated",
  RetryAfter: "retry-after",
};

function answerHeaders(...names: HeaderName[]): Json {
  return Object.fromEntries(names.map((name) => [HEADER_NAMES[name], { $ref: `#/components/headers/${name}` }]));
}

function header(description: string): Json {
  return { description, schema: { type: "string" } };
}
