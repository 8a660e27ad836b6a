import type { IncomingHttpHeaders } from "node:http";
import type { KeyLookup } from "../accounts/stored-keys.ts";
import { DEFAULT_WORKSPACE } from "../accounts/workspaces.ts";
import { ServiceError } from "../errors.ts";
import { bearerToken, keyring, type NamedKey, wrongKey } from "./keyring.ts";

/** Before the label of a key of the configuration, which has no id: no id of a stored key begins like this. */
const CONFIGURED_KEY = "config:";

/** Decides who calls (docs/wire.md 6.1, steps 2 and 3). */
export interface Authenticator {
  /** Nobody needs a key at this moment. Such a server listens on loopback only and looks at the `Host` header. */
  isOpen(): Promise<boolean>;
  /** Throws `missing_api_key`, `invalid_api_key`, `expired_api_key` or `workspace_denied`. */
  authenticate(headers: IncomingHttpHeaders): Promise<Caller>;
}

export interface Caller {
  /** Id of the workspace the call runs in, as the workspace header names it. */
  readonly workspace: string;
  /** The same as the store has it. */
  readonly workspaceId: string;
  /** What the log calls the key; absent: none was needed. */
  readonly key?: string;
  /** What the account of usage calls it. */
  readonly keyId?: string;
  /** Where engines are, and what they say of themselves: an administrator, or anybody as long as nobody needs a key. Absent: no. */
  readonly seesReasons?: boolean;
  /** docs/wire.md 6.1, step 8. */
  mayCall(model: string): boolean;
}

/** All that a server knows about who may call it. */
export interface KnownKeys {
  /** From the configuration: they belong to the default workspace. */
  readonly configured: readonly NamedKey[];
  readonly stored: KeyLookup;
  /** What the workspace header calls the default workspace. */
  readonly workspace: string;
  /** Only this machine reaches the server, and nobody administers it over HTTP. */
  readonly mayBeOpen: boolean;
}

/** Keys of the configuration beside those in the store; as long as there never was any, a server that may be is open. */
export function authenticatorFor({ configured, stored, workspace, mayBeOpen }: KnownKeys): Authenticator {
  const labelOf = keyring(configured);
  const everything = { workspace, workspaceId: DEFAULT_WORKSPACE, mayCall: () => true };

  const isOpen = async (): Promise<boolean> => mayBeOpen && configured.length === 0 && !(await stored.hasAny());
  const find = async (presented: string): Promise<Caller | undefined> => {
    const label = labelOf(presented);
    if (label !== undefined) return { ...everything, key: label, keyId: `${CONFIGURED_KEY}${label}` };
    const key = await stored.find(presented);
    if (key === undefined) return undefined;
    const id = key.workspaceId === DEFAULT_WORKSPACE ? workspace : key.workspaceId;
    const { workspaceId } = key;
    return { workspace: id, workspaceId, key: key.id, keyId: key.id, mayCall: (model) => key.mayCall(model) };
  };
  const authenticate = async (headers: IncomingHttpHeaders): Promise<Caller> => {
    // Any or no `Authorization`, any or no workspace header.
    if (await isOpen()) return { ...everything, seesReasons: true };
    const caller = await find(bearerToken(headers.authorization));
    if (caller === undefined) throw wrongKey();
    const named = headers["x-dashscope-workspace"];
    if (named !== undefined && named !== "" && named !== caller.workspace) {
      throw new ServiceError("workspace_denied", "Workspace access denied.");
    }
    return caller;
  };
  return { isOpen, authenticate };
}
