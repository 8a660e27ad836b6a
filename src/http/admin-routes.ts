import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { AccountFailure } from "../accounts/failure.ts";
import { excerpt, ServiceError } from "../errors.ts";
import type { AdminAuthenticator } from "./admin-auth.ts";
import { ADMIN_OPERATIONS, type AdminOperation } from "./admin-operations.ts";
import { hasBody, readJsonObject } from "./body.ts";
import { refuseOtherMethods } from "./methods.ts";

export interface AdminRouteParts {
  readonly authenticator: AdminAuthenticator;
  /** Of a request body. */
  readonly bodyBytes: number;
}

/** Keys, workspaces, grants and the records of changes, for whoever has an admin key. */
export function adminRoutes(app: FastifyInstance, { authenticator, bodyBytes }: AdminRouteParts): void {
  const methods = new Map<string, string[]>();
  for (const operation of ADMIN_OPERATIONS) {
    const { method, status } = operation;
    const url = operation.path.replaceAll(/\{(\w+)\}/g, ":$1");
    methods.set(url, [...(methods.get(url) ?? []), method]);
    const guard = async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
      // Answers may carry a key.
      reply.header("cache-control", "no-store");
      request.record.key = authenticator.authenticate(request.headers).actor;
    };
    app.route({
      ...{ method, url, onRequest: guard },
      handler: async (request, reply) => {
        const administrator = authenticator.authenticate(request.headers);
        const input = checked(operation.input, await given(operation, request, bodyBytes));
        const answer = await operation.run(administrator, input).catch((error: unknown) => {
          throw asServiceError(error);
        });
        return reply
          .status(status)
          .type("application/json")
          .send(Buffer.from(JSON.stringify(answer)));
      },
    });
  }
  for (const [url, allowed] of methods) refuseOtherMethods(app, url, allowed);
}

/** Fields of path, and query or body. */
async function given(
  { method, path, input }: AdminOperation,
  request: FastifyRequest,
  bodyBytes: number,
): Promise<Readonly<Record<string, unknown>>> {
  const inPath = request.params as Readonly<Record<string, string>>;
  if (method === "GET" || method === "DELETE") return { ...queryOf(request, input), ...inPath };
  const hasFields = Object.keys(input.shape).some((field) => !path.includes(`{${field}}`));
  const body = hasFields && hasBody(request.headers) ? await readJsonObject(request.raw, bodyBytes) : {};
  const twice = Object.keys(body).find((field) => Object.hasOwn(inPath, field));
  if (twice !== undefined) {
    throw new ServiceError("invalid_parameter", `${twice}: the path says that; leave it out of the body`, {
      param: twice,
    });
  }
  return { ...body, ...inPath };
}

/** A field that may have several values has a list of them, even of one. */
function queryOf({ query }: FastifyRequest, input: z.ZodObject): Readonly<Record<string, unknown>> {
  const entries = Object.entries(query as Readonly<Record<string, unknown>>);
  const isList = (field: string): boolean =>
    Object.hasOwn(input.shape, field) && input.shape[field] instanceof z.ZodArray;
  return Object.fromEntries(entries.map(([field, value]) => [field, isList(field) ? [value].flat() : value]));
}

/** What the schema made of it. Throws `invalid_parameter` that names the field, what was expected, and what there is. */
function checked(schema: z.ZodObject, value: Readonly<Record<string, unknown>>): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  if (issue?.code === "unrecognized_keys") {
    const field = excerpt(issue.keys[0] ?? "");
    const fields = Object.keys(schema.shape).join(", ");
    const advice = fields === "" ? "there are none here" : `the fields here are ${fields}`;
    throw new ServiceError("invalid_parameter", `unknown field ${JSON.stringify(field)}; ${advice}`, { param: field });
  }
  const field = excerpt(issue?.path.join(".") ?? "");
  const found = issue?.path[0] !== undefined && value[String(issue.path[0])] === undefined ? ", found nothing" : "";
  throw new ServiceError("invalid_parameter", `${field}: ${issue?.message ?? "not as expected"}${found}`, {
    param: field,
  });
}

/** What an administrator is told of a change that cannot be made; anything else is a bug of ours. */
export function asServiceError(error: unknown): unknown {
  if (!(error instanceof AccountFailure)) return error;
  const codes = { usage: "invalid_parameter", missing: "not_found", failed: "conflict" } as const;
  const detail = error.field === undefined ? { cause: error } : { cause: error, param: error.field };
  return new ServiceError(codes[error.kind], error.message, detail);
}
