import type { FastifyReply } from "fastify";
import { isStoreAway } from "../accounts/failure.ts";
import { ServiceError } from "../errors.ts";
import { openAiFailure } from "../protocols/errors.ts";
import type { Protocol } from "../protocols/protocol.ts";
import { Cut } from "./call.ts";
import { errorHeaders } from "./headers.ts";

/** One path and the protocol spoken there. */
export interface ProtocolRoute {
  readonly path: string;
  readonly protocol: Protocol;
}

/** How errors look on a path. */
export type ErrorShape = Pick<Protocol, "failure">;

/** Nobody knows when it will be back. */
const STORE_RETRY_MS = 1_000;

/** Of the administration API: OpenAI's, with the field at fault. */
const ADMIN_SHAPE: ErrorShape = {
  failure: (error, requestId) => openAiFailure(error, { dialect: "openai", requestId }),
};

/**
 * What the client is told of a failure; undefined when there is nobody left to tell. Anything that is no
 * `ServiceError` is a bug of ours, which only its request id connects with the log.
 */
export function toServiceError(error: unknown): ServiceError | undefined {
  if (error instanceof ServiceError) return error;
  if (error instanceof Cut) return error.toServiceError();
  if (isStoreAway(error)) {
    const message =
      error.kind === "full"
        ? "The disk of this server's database is full; its operator has to free some space."
        : "The database of this server is busy or cannot be reached, please try again later.";
    return new ServiceError("store_unavailable", message, { cause: error, retryAfterMs: STORE_RETRY_MS });
  }
  const status = frameworkStatus(error);
  if (status === 404) return new ServiceError("not_found", "Not found!", { cause: error });
  if (status === 413) return new ServiceError("body_too_large", "The body is too large.", { cause: error });
  if (status !== undefined) {
    const message = "Required body invalid, please check the request body format.";
    return new ServiceError("invalid_body", message, { cause: error });
  }
  const message = "An internal error has occured, please try again later or contact service support.";
  return new ServiceError("internal", message, { cause: error });
}

/** Answers with an error in the shape of its path. */
export function sendFailure(reply: FastifyReply, shape: ErrorShape, error: ServiceError, requestId: string): void {
  const { status, body } = shape.failure(error, requestId);
  reply
    .status(status)
    .headers(errorHeaders(error))
    .send(Buffer.from(JSON.stringify(body)));
}

/**
 * Who shapes the errors of a path: the administration API, or the protocol there, else the first one under the same
 * first path segment (`/api`, `/v1`, `/compatible-mode`), else the first of all.
 */
export function errorShapeOf(routes: readonly ProtocolRoute[], path: string): ErrorShape {
  if (root(path) === "/admin") return ADMIN_SHAPE;
  const found = routes.find((route) => route.path === path) ?? routes.find((route) => root(route.path) === root(path));
  const protocol = (found ?? routes[0])?.protocol;
  if (protocol === undefined) throw new RangeError("a service needs at least one protocol");
  return protocol;
}

function root(path: string): string {
  return path.split("/", 2).join("/");
}

/** Client errors that the framework raised by itself. */
function frameworkStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("code" in error) || !("statusCode" in error)) return undefined;
  const isFrameworks = typeof error.code === "string" && error.code.startsWith("FST_");
  const { statusCode } = error;
  return isFrameworks && typeof statusCode === "number" && statusCode < 500 ? statusCode : undefined;
}
