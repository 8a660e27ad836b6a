/** Places in which an entry may stand, and replicas remembered for one block. */
const WAYS = 16;
const MOST_OWNERS = 4;
/** Entries: for each replica what a large cache holds, and at least and at most as many. 16 bytes each. */
const ENTRIES = { each: 4_096, least: 2 ** 16, most: 2 ** 21 };

/**
 * Which replicas were the last to see a block of text behind the blocks before it.
 *
 * A table of fixed size, in which a block stands in one of a few places: what was not used for longest makes room. Replicas
 * are numbers here.
 */
export class PrefixIndex {
  readonly #buckets: number;
  /** By entry; 0: free. */
  readonly #blocks: Float64Array;
  readonly #owners: Uint32Array;
  /** When it was last seen. */
  readonly #seenAt: Uint32Array;
  #now = 0;

  constructor(replicas: number) {
    const entries = Math.min(ENTRIES.most, Math.max(ENTRIES.least, replicas * ENTRIES.each));
    this.#buckets = Math.ceil(entries / WAYS);
    this.#blocks = new Float64Array(this.#buckets * WAYS);
    this.#owners = new Uint32Array(this.#blocks.length);
    this.#seenAt = new Uint32Array(this.#blocks.length);
  }

  /** How many blocks at the beginning each replica saw; others have seen none. */
  seen(blocks: readonly number[]): ReadonlyMap<number, number> {
    const seen = new Map<number, number>();
    for (const [index, block] of blocks.entries()) {
      const first = this.#bucketOf(block);
      let isKnown = false;
      for (let entry = first; entry < first + WAYS; entry += 1) {
        if (this.#blocks[entry] !== block) continue;
        isKnown = true;
        seen.set(this.#owners[entry] ?? 0, index + 1);
      }
      if (!isKnown) break;
    }
    return seen;
  }

  saw(replica: number, blocks: readonly number[]): void {
    this.#now = (this.#now + 1) >>> 0;
    for (const block of blocks) {
      const entry = this.#entryFor(replica, block);
      this.#blocks[entry] = block;
      this.#owners[entry] = replica;
      this.#seenAt[entry] = this.#now;
    }
  }

  /** Its own; else the oldest of the block's, if it has as many as it may; else a free one or the oldest. */
  #entryFor(replica: number, block: number): number {
    const first = this.#bucketOf(block);
    let [owners, oldestOwner, oldest] = [0, first, first];
    let [oldestOwnerAge, oldestAge] = [-1, -1];
    for (let entry = first; entry < first + WAYS; entry += 1) {
      const isOfBlock = this.#blocks[entry] === block;
      if (isOfBlock && this.#owners[entry] === replica) return entry;
      const age = this.#blocks[entry] === 0 ? 2 ** 32 : (this.#now - (this.#seenAt[entry] ?? 0)) >>> 0;
      if (age > oldestAge) [oldest, oldestAge] = [entry, age];
      if (!isOfBlock) continue;
      owners += 1;
      if (age > oldestOwnerAge) [oldestOwner, oldestOwnerAge] = [entry, age];
    }
    return owners >= MOST_OWNERS ? oldestOwner : oldest;
  }

  #bucketOf(block: number): number {
    return (block % this.#buckets) * WAYS;
  }
}
