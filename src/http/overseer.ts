import type { FastifyRequest } from "fastify";
import { DEFAULT_WORKSPACE } from "../accounts/workspaces.ts";
import type { AdminAuthenticator } from "./admin-auth.ts";

/** An administrator sees every name, and where it is answered. */
export function callerOrOverseer(
  administrators: AdminAuthenticator,
  workspace: string,
  guard: (request: FastifyRequest) => Promise<void>,
) {
  return async (request: FastifyRequest): Promise<void> => {
    const administrator = administrators.find(request.headers);
    if (administrator === undefined) return guard(request);
    const { actor: key } = administrator;
    request.caller = { workspace, workspaceId: DEFAULT_WORKSPACE, key, mayCall: () => true, seesAddresses: true };
    request.record.key = key;
  };
}
