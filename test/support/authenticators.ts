/** Who may call a service under test. */
import type { KeyLookup } from "../../src/accounts/stored-keys.ts";
import { type Authenticator, authenticatorFor } from "../../src/http/auth.ts";

/** A store without keys. */
export const NO_KEYS: KeyLookup = { hasAny: async () => false, find: async () => undefined };

export function openToAll(workspace: string): Authenticator {
  return authenticatorFor({ configured: [], stored: NO_KEYS, workspace, mayBeOpen: true });
}

/** Keys as in a configuration. */
export function configuredKeys(keys: readonly string[], workspace: string): Authenticator {
  const configured = keys.map((key, index) => ({ key, label: `key ${index + 1}` }));
  return authenticatorFor({ configured, stored: NO_KEYS, workspace, mayBeOpen: true });
}
