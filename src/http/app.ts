import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import cors, { type FastifyCorsOptionsDelegateCallback } from "@fastify/cors";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { Meter } from "../accounts/meter.ts";
import { DEFAULT_WORKSPACE } from "../accounts/workspaces.ts";
import type { Directory } from "../directory/directory.ts";
import { excerpt, ServiceError } from "../errors.ts";
import { type Log, logRequest, withoutKeys } from "../telemetry/log.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { RequestRecord } from "../telemetry/request-record.ts";
import { PASSED_ON, type RequestSpan, type Tracing } from "../telemetry/tracing.ts";
import { DEFAULT_TYPING, Typing } from "../typing/typing.ts";
import { type Administration, adminAuthenticator } from "./admin-auth.ts";
import { adminRoutes } from "./admin-routes.ts";
import type { Authenticator, Caller } from "./auth.ts";
import { beginTrace } from "./begin-trace.ts";
import { refuseForeignPage, refuseUnlabelledJson } from "./browser.ts";
import { continuationRoute } from "./continuation-routes.ts";
import { docsRoutes } from "./docs-routes.ts";
import { errorShapeOf, type ProtocolRoute, sendFailure, toServiceError } from "./failure.ts";
import { EXPOSED_HEADERS } from "./headers.ts";
import { type HealthParts, healthRoutes } from "./health-routes.ts";
import { DEFAULT_LIMITS, type HttpLimits } from "./limits.ts";
import { knowEveryMethod, refuseOtherMethods } from "./methods.ts";
import { modelRoutes } from "./model-routes.ts";
import { type NativeModelParts, nativeModelRoutes } from "./native-model-routes.ts";
import { KnownPaths } from "./not-found.ts";
import { OpenCalls } from "./open-calls.ts";
import { isAllowedHost, isAllowedOrigin, isLoopbackHost } from "./origin.ts";
import { callerOrOverseer, seesReasons } from "./overseer.ts";
import type { ServingEngine } from "./serving-engine.ts";

/** What the service is made of; the composition root fills it in. */
export interface AppParts {
  readonly directory: Directory;
  /** Every path a protocol is spoken on, at least one; each under its dialect. */
  readonly routes: readonly ProtocolRoute[];
  /** Engines in service, each under the name that `answeredBy.id` of its cards carries. */
  readonly engines: () => readonly ServingEngine[];
  readonly authenticator: Authenticator;
  readonly meter: Meter;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Default: callers' traces go through, and nothing is added to them. */
  readonly tracing?: Tracing;
  /** What the workspace header calls the default workspace. Default: its own id. */
  readonly workspace?: string;
  /** Absent: nobody administers this server over HTTP. */
  readonly administration?: Administration;
  /** The limits of a workspace, by its id. Absent: there are none. */
  readonly limitsOf?: NativeModelParts["limitsOf"];
  /** For `/ready`: why the store cannot be used at this moment. Absent: there is none. */
  readonly storeObstacle?: HealthParts["storeObstacle"];
  /** Sites besides this machine's whose pages may call, as `isAllowedOrigin` takes them. */
  readonly corsOrigins: readonly string[];
  /** Names besides this machine's that an open server answers to, as `isAllowedHost` takes them. Default: none. */
  readonly allowedHosts?: readonly string[];
  /** Default: `DEFAULT_TYPING`. */
  readonly typing?: Typing;
  /** Laid over `DEFAULT_LIMITS`. */
  readonly limits?: Partial<HttpLimits>;
  /** For the OpenAPI document and `/health`. */
  readonly version: string;
  /** Epoch milliseconds, with fractions, never going back. Default: this machine's clock. */
  readonly now?: () => number;
}

export interface Service {
  /** Not listening yet. */
  readonly app: FastifyInstance;
  /**
   * Stops: readiness off, new requests refused with 503, running ones may finish within `graceMs`, then they are cut
   * and every connection is closed. Calling it again with a shorter time shortens the wait.
   */
  drain(graceMs: number): Promise<void>;
}

declare module "fastify" {
  interface FastifyRequest {
    record: RequestRecord;
    /** Of calls that a protocol answers. */
    span: RequestSpan | undefined;
    /** Set by the guard of the routes that need a key. */
    caller: Caller;
    /** Resolves when a continuation has been answered and its record is complete. Undefined on other routes. */
    settled: Promise<void> | undefined;
  }
}

export async function createApp(parts: AppParts): Promise<Service> {
  const limits: HttpLimits = { ...DEFAULT_LIMITS, ...parts.limits };
  const now = parts.now ?? (() => performance.timeOrigin + performance.now());
  const calls = new OpenCalls();
  const app = Fastify(serverOptions(parts.routes, limits));
  // Bodies are read by the handler, after the key has been checked, whatever their content type.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser("*", (_request, _payload, done) => done(null));
  app.decorateRequest("settled", undefined);
  app.decorateRequest("span", undefined);
  knowEveryMethod(app);
  const paths = new KnownPaths(app);
  firstHook(app, parts, calls, now);
  app.addHook("onRequest", async (request) => refuseForeignPage(request, parts.corsOrigins));
  await corsHook(app, parts.corsOrigins);
  labelHook(app);
  hostHook(app, parts);
  registerRoutes(app, parts, limits, calls, now);
  const fail = (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const told = toServiceError(error) ?? new ServiceError("internal", "Internal server error!", { cause: error });
    request.record.outcome = told.code;
    if (told.detail.refused !== undefined) request.record.refused = told.detail.refused;
    const isOurs = told.code === "internal" || told.code === "store_unavailable";
    const { traceId } = request.record;
    if (isOurs) parts.log.error({ requestId: request.id, traceId, err: error }, "unexpected failure");
    sendFailure(reply, errorShapeOf(parts.routes, request.routeOptions.url ?? pathOf(request)), told, request.id);
  };
  app.setErrorHandler(fail);
  app.setNotFoundHandler((request, reply) => fail(paths.refusal(request.method, pathOf(request)), request, reply));
  let closing: Promise<void> | undefined;
  const drain = async (graceMs: number): Promise<void> => {
    await calls.drain(graceMs);
    closing ??= app.close();
    await closing;
  };
  return { app, drain };
}

function serverOptions(routes: readonly ProtocolRoute[], limits: HttpLimits) {
  const { requestTimeoutMs } = limits;
  // Node refuses a headers limit above the limit for the whole request.
  const headersTimeoutMs =
    requestTimeoutMs > 0 ? Math.min(limits.headersTimeoutMs, requestTimeoutMs) : limits.headersTimeoutMs;
  return {
    logger: false,
    genReqId: () => randomUUID(),
    requestIdHeader: false as const,
    // Clients join `base/` and `/path`.
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 512 },
    bodyLimit: limits.bodyBytes,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    requestTimeout: requestTimeoutMs,
    // Draining has already let the calls finish; what is still open then is idle or stuck.
    forceCloseConnections: true,
    http: {
      headersTimeout: headersTimeoutMs,
      requestTimeout: requestTimeoutMs,
      connectionsCheckingInterval: Math.min(30_000, Math.max(50, headersTimeoutMs)),
    },
    clientErrorHandler: (error: NodeJS.ErrnoException, socket: Socket) => refuseConnection(routes, error, socket),
    frameworkErrors: (error: unknown, request: FastifyRequest, reply: FastifyReply) => {
      // Paths that cannot be decoded come here, before any hook.
      const message = `There is no ${request.method} ${excerpt(withoutKeys(pathOf(request)))} here: the path is no valid URL.`;
      const told = toServiceError(error);
      const failure = told?.code === "internal" ? told : new ServiceError("not_found", message, { cause: error });
      reply.header("x-request-id", request.id);
      sendFailure(reply, errorShapeOf(routes, pathOf(request)), failure, request.id);
    },
  };
}

/** What is no HTTP, or too slow, or too long: one answer in the OpenAI shape, since no path is known. */
function refuseConnection(routes: readonly ProtocolRoute[], error: NodeJS.ErrnoException, socket: Socket): void {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy();
    return;
  }
  const statuses: Readonly<Record<string, string>> = {
    HPE_HEADER_OVERFLOW: "431 Request Header Fields Too Large",
    ERR_HTTP_REQUEST_TIMEOUT: "408 Request Timeout",
  };
  const status = statuses[error.code ?? ""] ?? "400 Bad Request";
  const requestId = randomUUID();
  const failure = new ServiceError("invalid_body", status.slice(4));
  const body = Buffer.from(JSON.stringify(errorShapeOf(routes, "/").failure(failure, requestId).body));
  socket.end(
    `HTTP/1.1 ${status}\r\nx-request-id: ${requestId}\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body.toString()}`,
  );
}

/** Runs before everything else: the request gets its id and its record, which is told when the response is over. */
function firstHook(app: FastifyInstance, parts: AppParts, calls: OpenCalls, now: () => number): void {
  app.addHook("onRequest", async (request, reply) => {
    const { protocol } = parts.routes.find((route) => route.path === request.routeOptions.url) ?? {};
    request.record = {
      requestId: request.id,
      method: request.method,
      path: request.routeOptions.url ?? pathOf(request).slice(0, 200),
      startedAtMs: now(),
      isKnownModel: false,
      status: 0,
      outcome: "ok",
      ...(protocol === undefined ? {} : { protocol: protocol.name, dialect: protocol.dialect }),
    };
    if (protocol !== undefined) beginTrace(request, parts.tracing ?? PASSED_ON);
    reply.header("x-request-id", request.id);
    if (calls.isDraining) reply.header("connection", "close");
    reply.raw.once("close", () => {
      void Promise.resolve(request.settled).then(() => {
        const { record } = request;
        if (record.status === 0) record.status = reply.raw.statusCode;
        request.span?.end(record);
        const endedAtMs = now();
        parts.metrics.requestEnded(record, endedAtMs);
        logRequest(parts.log, record, endedAtMs);
      });
    });
  });
}

function labelHook(app: FastifyInstance): void {
  app.addHook("onRequest", async (request) => {
    refuseUnlabelledJson(request);
    // Other clients label JSON as anything; the framework would refuse what is no media type before anybody reads the body.
    request.headers["content-type"] = "application/json";
  });
}

/** On an open server: a name that is not this machine's was made to point here by somebody else's page. */
function hostHook(app: FastifyInstance, { authenticator, allowedHosts = [] }: AppParts): void {
  app.addHook("onRequest", async ({ headers: { host } }) => {
    if (isLoopbackHost(host) || (host !== undefined && isAllowedHost(host, allowedHosts))) return;
    if (await authenticator.isOpen()) throw hostDenied(host ?? "");
  });
}

function hostDenied(host: string): ServiceError {
  const name = excerpt(host.replace(/:\d*$/, ""));
  return new ServiceError(
    "host_denied",
    `Access denied: this server needs no key, so it answers only to localhost and to the names in allowed_hosts; ` +
      `"${name}" is none of them. Call it as 127.0.0.1, start it with --allowed-host ${name}, or create an API key.`,
    { refused: name },
  );
}

/** Lets pages of the allowed sites read the answers. */
async function corsHook(app: FastifyInstance, origins: readonly string[]): Promise<void> {
  const optionsFor: FastifyCorsOptionsDelegateCallback = (request, decide) =>
    decide(null, {
      origin: isAllowedOrigin(request.headers.origin, origins),
      methods: ["GET", "HEAD", "POST", "OPTIONS"],
      exposedHeaders: [...EXPOSED_HEADERS],
      maxAge: 600,
      // Any other OPTIONS asks what a path can do, and whether there is one.
      preflight: request.headers["access-control-request-method"] !== undefined,
      strictPreflight: false,
    });
  await app.register(cors, () => optionsFor);
}

function registerRoutes(
  app: FastifyInstance,
  parts: AppParts,
  limits: HttpLimits,
  calls: OpenCalls,
  now: () => number,
): void {
  const guard = async (request: FastifyRequest): Promise<void> => {
    request.caller = await parts.authenticator.authenticate(request.headers);
    const { key, workspace } = request.caller;
    if (key !== undefined) Object.assign(request.record, { key, workspace });
  };
  const { directory, meter, log, metrics, engines, version, workspace = DEFAULT_WORKSPACE } = parts;
  const { typing = new Typing(DEFAULT_TYPING, { now }) } = parts;
  for (const { path, protocol } of parts.routes) {
    continuationRoute(app, { directory, limits, calls, meter, log, metrics, typing, now }, path, protocol, guard);
    refuseOtherMethods(app, path, ["POST"]);
  }
  const administrators = adminAuthenticator(parts.administration);
  const overview = callerOrOverseer(administrators, workspace, guard);
  modelRoutes(app, { directory, engines, guard: overview, createdSeconds: Math.floor(now() / 1000) });
  const { limitsOf = async () => [] } = parts;
  nativeModelRoutes(app, { directory, guard, administrators, limitsOf, workspace, bodyBytes: limits.bodyBytes });
  adminRoutes(app, { authenticator: administrators, bodyBytes: limits.bodyBytes });
  const mayKnow = seesReasons(administrators, parts.authenticator);
  healthRoutes(app, { engines, calls, metrics, guard, mayKnow, version, storeObstacle: parts.storeObstacle });
  docsRoutes(app, { routes: parts.routes, version }, () => parts.authenticator.isOpen());
}

/** Without the query, slashes as the router takes them. */
function pathOf(request: FastifyRequest): string {
  const path = request.url.split("?", 1)[0] ?? request.url;
  return path.replaceAll(/\/{2,}/g, "/");
}
