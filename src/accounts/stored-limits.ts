import type { Store } from "../db/schema.ts";
import { fits } from "./pattern.ts";

/** Milliseconds for which the list of a workspace's limits is believed; a new one takes effect everywhere within this time. */
const BELIEVED_MS = 2_000;

/** Workspaces remembered at the same time. */
const MAX_REMEMBERED = 10_000;

interface Believed {
  readonly sinceMs: number;
  readonly limits: Promise<readonly { readonly id: string; readonly pattern: string }[]>;
}

/** Which limits there are in a store, remembered for moments: most requests have none, and then cost no query. */
export class StoredLimits {
  readonly #store: Store;
  readonly #now: () => number;
  readonly #remembered = new Map<string, Believed>();

  /** @param now epoch milliseconds. */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  /** Ids of the limits that bound calls of a model, in the order in which every transaction takes them. */
  async idsFor(workspaceId: string, model: string): Promise<readonly string[]> {
    const limits = await this.#limitsOf(workspaceId);
    return limits.filter(({ pattern }) => fits(pattern, model)).map(({ id }) => id);
  }

  #limitsOf(workspaceId: string): Believed["limits"] {
    const known = this.#remembered.get(workspaceId);
    // A clock that was set back must not make an answer last.
    if (known !== undefined && Math.abs(this.#now() - known.sinceMs) < BELIEVED_MS) return known.limits;
    const limits = this.#store
      .selectFrom("model_limits")
      .select(["id", "pattern"])
      .where("workspace_id", "=", workspaceId)
      .orderBy("id")
      .execute();
    limits.catch(() => this.#remembered.delete(workspaceId));
    this.#remembered.delete(workspaceId); // to the end of the row
    this.#remembered.set(workspaceId, { sinceMs: this.#now(), limits });
    const [oldest] = this.#remembered.keys();
    if (this.#remembered.size > MAX_REMEMBERED && oldest !== undefined) this.#remembered.delete(oldest);
    return limits;
  }
}
