import { LRUCache } from "lru-cache";

/** Blocks remembered: about 50 bytes each. */
const MOST_ENTRIES = 200_000;

/** Which replica was the last to see a block of text behind the blocks before it. */
export class PrefixIndex {
  readonly #owners: LRUCache<number, string>;

  /** @param max blocks remembered, the least used forgotten first. */
  constructor(max = MOST_ENTRIES) {
    this.#owners = new LRUCache({ max });
  }

  /** How many blocks at the beginning each replica was the last to see, by name; others have seen none. */
  seen(blocks: readonly number[]): ReadonlyMap<string, number> {
    const seen = new Map<string, number>();
    for (const [index, block] of blocks.entries()) {
      const owner = this.#owners.get(block);
      if (owner === undefined) break;
      seen.set(owner, index + 1);
    }
    return seen;
  }

  saw(replica: string, blocks: readonly number[]): void {
    for (const block of blocks) this.#owners.set(block, replica);
  }
}
