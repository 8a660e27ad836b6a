import type { Store } from "../db/schema.ts";
import { fits } from "./pattern.ts";
import { Remembered } from "./remembered.ts";

/** Workspaces remembered at the same time. */
const MAX_REMEMBERED = 10_000;

/** Which limits there are in a store, remembered for moments: most requests have none, and then cost no query. */
export class StoredLimits {
  readonly #store: Store;
  /** By workspace. */
  readonly #remembered: Remembered<readonly { readonly id: string; readonly pattern: string }[]>;

  /** @param now epoch milliseconds. */
  constructor(store: Store, now: () => number) {
    this.#store = store;
    this.#remembered = new Remembered(now, MAX_REMEMBERED);
  }

  /** Ids of the limits that bound calls of a model, in the order in which every transaction takes them. */
  async idsFor(workspaceId: string, model: string): Promise<readonly string[]> {
    const limits = await this.#remembered.get(workspaceId, () =>
      this.#store
        .selectFrom("model_limits")
        .select(["id", "pattern"])
        .where("workspace_id", "=", workspaceId)
        .orderBy("id")
        .execute(),
    );
    return limits.filter(({ pattern }) => fits(pattern, model)).map(({ id }) => id);
  }
}
