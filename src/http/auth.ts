import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { ServiceError } from "../errors.ts";

/** Decides who calls (contract 6.1, steps 2 and 3). */
export interface Authenticator {
  /** Nobody needs a key. Such a server listens on loopback only and looks at the `Host` header. */
  readonly isOpen: boolean;
  /** Throws `missing_api_key`, `invalid_api_key` or `workspace_denied`. */
  authenticate(headers: IncomingHttpHeaders): Promise<Caller>;
}

export interface Caller {
  readonly workspace: string;
}

/** Any or no `Authorization`, any or no workspace header: there is only one workspace to be in. */
export function openToAll(workspace: string): Authenticator {
  return { isOpen: true, authenticate: async () => ({ workspace }) };
}

/**
 * Keys from the configuration. All belong to one workspace, which the workspace header may name; another one is refused.
 *
 * @param keys at least one, none empty.
 */
export function configuredKeys(keys: readonly string[], workspace: string): Authenticator {
  if (keys.length === 0 || keys.includes("")) throw new RangeError("keys must be given and must not be empty");
  const digests = keys.map(digest);
  return {
    isOpen: false,
    authenticate: async (headers) => {
      const presented = digest(bearerToken(headers.authorization));
      // Every digest is compared, so that the time taken does not tell which key came close.
      const matches = digests.filter((known) => timingSafeEqual(known, presented)).length;
      if (matches === 0) throw new ServiceError("invalid_api_key", "Incorrect API key provided.");
      const named = headers["x-dashscope-workspace"];
      if (named !== undefined && named !== "" && named !== workspace) {
        throw new ServiceError("workspace_denied", "Workspace access denied.");
      }
      return { workspace };
    },
  };
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined || authorization.trim() === "") {
    throw new ServiceError(
      "missing_api_key",
      "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
    );
  }
  const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  if (token === undefined) throw new ServiceError("invalid_api_key", "Incorrect API key provided.");
  return token;
}

function digest(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
