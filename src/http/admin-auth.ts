import type { IncomingHttpHeaders } from "node:http";
import type { Administrator } from "../accounts/administration.ts";
import { ServiceError } from "../errors.ts";
import { bearerToken, bearerTokenIn, keyring, type NamedKey, wrongKey } from "./keyring.ts";

/** Who may change keys, workspaces and grants over HTTP, and where. */
export interface Administration extends Omit<Administrator, "actor"> {
  /** From the configuration. They call no model, and a key that calls models is none of them. */
  readonly keys: readonly NamedKey[];
}

export interface AdminAuthenticator {
  /** Throws `admin_denied` when there are no admin keys, `missing_api_key`, `invalid_api_key`. */
  authenticate(headers: IncomingHttpHeaders): Administrator;
  /** Undefined: whoever calls is no administrator, but may be somebody else. */
  find(headers: IncomingHttpHeaders): Administrator | undefined;
}

/** @param administration absent: nobody may. */
export function adminAuthenticator(administration: Administration | undefined): AdminAuthenticator {
  const { keys, ...place } = administration ?? { keys: [] };
  const labelOf = keyring(keys);
  const named = (presented: string): Administrator | undefined => {
    const label = labelOf(presented);
    return label === undefined || !("store" in place) ? undefined : { ...place, actor: `admin:${label}` };
  };
  return {
    authenticate(headers) {
      if (keys.length === 0) throw denied();
      const administrator = named(bearerToken(headers.authorization));
      if (administrator === undefined) throw wrongKey();
      return administrator;
    },
    find: ({ authorization }) => {
      const presented = bearerTokenIn(authorization);
      return presented === undefined ? undefined : named(presented);
    },
  };
}

function denied(): ServiceError {
  const advice =
    "set CONTINUO_ADMIN_KEY or `admin_keys:` and start the server again, or use the commands of `continuo` beside it";
  return new ServiceError("admin_denied", `Access denied: no admin key is configured; ${advice}.`);
}
