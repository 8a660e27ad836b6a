import { METHODS } from "node:http";
import type { FastifyInstance } from "fastify";
import { ServiceError } from "../errors.ts";

/** The framework knows a third of the methods that Node does, and would call every path unknown for the others. */
export function knowEveryMethod(app: FastifyInstance): void {
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method);
}

/**
 * Answers every other method of a path: `OPTIONS` with what is allowed, the rest with `method_not_allowed`.
 * Comes before the key, like an unknown path (docs/wire.md 6.1, step 1).
 */
export function refuseOtherMethods(app: FastifyInstance, url: string, allowed: readonly string[]): void {
  const served = allowed.includes("GET") ? [...allowed, "HEAD"] : allowed;
  const allow = [...served, "OPTIONS"].join(", ");
  app.route({
    method: "OPTIONS",
    url,
    handler: (_request, reply) => reply.status(204).header("allow", allow).send(),
  });
  app.route({
    method: app.supportedMethods.filter((method) => method !== "OPTIONS" && !served.includes(method)),
    url,
    exposeHeadRoute: false,
    handler: (request, reply) => {
      reply.header("allow", allow);
      throw new ServiceError("method_not_allowed", `Request method '${request.method}' is not supported.`);
    },
  });
}
