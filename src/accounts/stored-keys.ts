import { timingSafeEqual } from "node:crypto";
import type { CompiledQuery, Selectable } from "kysely";
import { StoreFailure } from "../db/failure.ts";
import type { ApiKeyRow, Store } from "../db/schema.ts";
import { ServiceError } from "../errors.ts";
import { fits } from "./pattern.ts";
import { Remembered } from "./remembered.ts";
import { digestOf, looksLikeSecret } from "./secret.ts";
import { DEFAULT_WORKSPACE } from "./workspaces.ts";

/** A key that may call. */
export interface StoredKey {
  readonly id: string;
  readonly workspaceId: string;
  mayCall(model: string): boolean;
}

/** What a server asks about the keys in its store. */
export interface KeyLookup {
  /** False until the first key is created; deleting the last one does not open the doors again. */
  hasAny(): Promise<boolean>;
  /** Undefined: unknown, disabled or deleted, which nobody outside can tell apart. Throws `expired_api_key`. */
  find(secret: string): Promise<StoredKey | undefined>;
}

/** Keys remembered at the same time, about 1 KiB each. */
const MAX_REMEMBERED = 20_000;

/** Milliseconds between two notes that a key is in use. */
const NOTE_USE_EVERY_MS = 60_000;

type Verified = Pick<StoredKey, "id" | "workspaceId" | "mayCall"> & { readonly expiresAtMs: number | null };

/** A key, and one grant of its workspace. */
type LookedUp = Selectable<ApiKeyRow> & { readonly pattern: string | null };

/** The keys in a store, each remembered for moments, so that not every call is a query. */
export class StoredKeys implements KeyLookup {
  readonly #store: Store;
  readonly #lookUp: CompiledQuery<LookedUp>;
  readonly #now: () => number;
  /** By digest, in hex. Unknown keys are not among them. */
  readonly #keys: Remembered<Verified | undefined>;
  readonly #any: Remembered<boolean>;

  /** @param now epoch milliseconds. */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#lookUp = lookUpIn(store);
    this.#now = now;
    this.#keys = new Remembered(now, MAX_REMEMBERED);
    this.#any = new Remembered(now, 1);
  }

  async hasAny(): Promise<boolean> {
    return this.#any.get("any", () => this.#queryAny());
  }

  async find(secret: string): Promise<StoredKey | undefined> {
    if (!looksLikeSecret(secret)) return undefined;
    const digest = digestOf(secret);
    const name = digest.toString("hex");
    const key = await this.#keys.get(name, () => this.#query(digest));
    if (key === undefined) this.#keys.forget(name);
    else if (key.expiresAtMs !== null && key.expiresAtMs <= this.#now()) {
      throw new ServiceError("expired_api_key", "The API key has expired.");
    }
    return key;
  }

  async #queryAny(): Promise<boolean> {
    const row = await this.#store
      .selectFrom("api_keys")
      .select("id") // also of deleted ones: their rows stay
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  async #query(digest: Buffer): Promise<Verified | undefined> {
    const { rows } = await this.#store.executeQuery<LookedUp>({
      ...this.#lookUp,
      parameters: [digest.toString("hex")],
    });
    const [row] = rows;
    if (row === undefined || !timingSafeEqual(Buffer.from(row.digest, "hex"), digest)) return undefined;
    if (row.disabled_at_ms !== null || row.deleted_at_ms !== null) return undefined;
    await this.#noteUse(row).catch(forgiveStore);
    const patterns = rows.flatMap(({ pattern }) => (pattern === null ? [] : [pattern]));
    const mayCall = (model: string): boolean =>
      row.workspace_id === DEFAULT_WORKSPACE || patterns.some((pattern) => fits(pattern, model));
    return { id: row.id, workspaceId: row.workspace_id, mayCall, expiresAtMs: row.expires_at_ms };
  }

  async #noteUse({ id, last_used_at_ms, expires_at_ms }: Selectable<ApiKeyRow>): Promise<void> {
    const nowMs = this.#now();
    if (expires_at_ms !== null && expires_at_ms <= nowMs) return;
    if (last_used_at_ms !== null && nowMs - last_used_at_ms < NOTE_USE_EVERY_MS) return;
    await this.#store.updateTable("api_keys").set({ last_used_at_ms: nowMs }).where("id", "=", id).execute();
  }
}

/**
 * The key with some digest, once for each grant of its workspace. Every caller waits for this, so it is one query, and
 * built only once; its one parameter is the digest.
 */
function lookUpIn(store: Store): CompiledQuery<LookedUp> {
  return store
    .selectFrom("api_keys")
    .leftJoin("model_grants", "model_grants.workspace_id", "api_keys.workspace_id")
    .selectAll("api_keys")
    .select("model_grants.pattern")
    .where("digest", "=", "")
    .compile();
}

/** A call is worth more than the note about it: a full disk must not keep callers out. */
function forgiveStore(error: unknown): void {
  if (!(error instanceof StoreFailure)) throw error;
}
