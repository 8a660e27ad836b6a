import { readFile } from "node:fs/promises";
import type { FastifyInstance, FastifyReply } from "fastify";
import { refuseOtherMethods } from "./methods.ts";
import { type OpenApiSource, openApiDocument } from "./openapi.ts";

/**
 * `/openapi.json` and the page that shows it, for everybody: they say nothing that the source code does not. Nothing is
 * fetched from anywhere else, and every address is relative, so that a proxy may put the server under any path.
 */
export function docsRoutes(
  app: FastifyInstance,
  source: Omit<OpenApiSource, "isOpen">,
  isOpen: () => Promise<boolean>,
): void {
  const [withKey, withoutKey] = [false, true].map((open) =>
    Buffer.from(JSON.stringify(openApiDocument({ ...source, isOpen: open }))),
  );
  app.get("/openapi.json", async (_request, reply) => {
    return reply.type("application/json").send((await isOpen()) ? withoutKey : withKey);
  });
  app.get("/", (_request, reply) => {
    reply.redirect("docs");
  });
  app.get("/docs", (request, reply) => {
    // Relative addresses would be looked for one level too deep.
    if (/\/(?:\?|$)/.test(request.url)) return reply.redirect("../docs");
    return send(reply, "text/html; charset=utf-8", PAGE);
  });
  app.get("/docs/page.js", (_request, reply) => send(reply, SCRIPT_TYPE, SCRIPT));
  for (const [name, type] of ASSETS) {
    app.get(`/docs/${name}`, async (_request, reply) => {
      reply.header("cache-control", "public, max-age=3600");
      return send(reply, type, await readFile(new URL(name, ASSETS_FOLDER)));
    });
  }
  const paths = ["/openapi.json", "/", "/docs", "/docs/page.js", ...ASSETS.map(([name]) => `/docs/${name}`)];
  for (const path of paths) refuseOtherMethods(app, path, ["GET"]);
}

const SCRIPT_TYPE = "text/javascript; charset=utf-8";

/** Files of the package `swagger-ui-dist`. */
const ASSETS = [
  ["swagger-ui.css", "text/css; charset=utf-8"],
  ["swagger-ui-bundle.js", SCRIPT_TYPE],
] as const;

/** The build copies them beside this file, so that an installed server needs no such package. */
const ASSETS_FOLDER = import.meta.url.endsWith(".ts")
  ? new URL("../../node_modules/swagger-ui-dist/", import.meta.url)
  : new URL("./docs/", import.meta.url);

/** Only what this server itself serves, plus the pictures within the style sheet. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const PAGE = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Continuo: API reference</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <noscript>This page needs JavaScript; <a href="openapi.json">openapi.json</a> says the same.</noscript>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/page.js"></script>
  </body>
</html>
`;

/** Runs in the browser. Keys stay in the page's memory and are gone with it. */
const SCRIPT = `SwaggerUIBundle({
  dom_id: "#reference",
  url: new URL("openapi.json", location.href).href,
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  persistAuthorization: false,
  tryItOutEnabled: true,
  // A service on the internet otherwise.
  validatorUrl: null,
});
`;

function send(reply: FastifyReply, type: string, content: string | Buffer): FastifyReply {
  return reply
    .type(type)
    .headers({
      "content-security-policy": POLICY,
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    })
    .send(content);
}
