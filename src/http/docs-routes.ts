import type { FastifyInstance } from "fastify";
import { refuseOtherMethods } from "./methods.ts";
import { type OpenApiSource, openApiDocument } from "./openapi.ts";

/** `/openapi.json`, for everybody: it says nothing that the source code does not. */
export function docsRoutes(app: FastifyInstance, source: OpenApiSource): void {
  const document = Buffer.from(JSON.stringify(openApiDocument(source)));
  app.get("/openapi.json", (_request, reply) => {
    reply.type("application/json").send(document);
  });
  refuseOtherMethods(app, "/openapi.json", ["GET"]);
}
