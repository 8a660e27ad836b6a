import type { FastifyRequest } from "fastify";
import { DEFAULT_WORKSPACE } from "../accounts/workspaces.ts";
import type { AdminAuthenticator } from "./admin-auth.ts";
import type { Authenticator } from "./auth.ts";

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
    request.caller = { workspace, workspaceId: DEFAULT_WORKSPACE, key, mayCall: () => true, seesReasons: true };
    request.record.key = key;
  };
}

/**
 * Who may see where engines are and what they say of themselves, on routes that need no key: administrators, and everybody as
 * long as nobody needs a key.
 */
export function seesReasons(administrators: AdminAuthenticator, authenticator: Authenticator) {
  let isOpen = false;
  const look = async (): Promise<boolean> => {
    try {
      isOpen = await authenticator.isOpen();
    } catch {
      // A store that fails leaves what was known: its own reason is what the operator is looking for then.
    }
    return isOpen;
  };
  void look(); // it may fail before anybody asks
  return async ({ headers }: FastifyRequest): Promise<boolean> =>
    administrators.find(headers) !== undefined || (await look());
}
