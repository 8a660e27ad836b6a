import type { Beginning } from "./beginning.ts";
import { POLICIES, type PolicyName } from "./policy.ts";
import { PrefixIndex } from "./prefix-index.ts";
import type { Replica } from "./replica.ts";

export interface RouterOptions {
  /** At least one. */
  readonly replicas: readonly Replica[];
  readonly policy: PolicyName;
  /** In [0, 1). */
  readonly random: () => number;
}

/** Chooses which replica is asked, and remembers what each was asked. */
export class Router {
  readonly #options: RouterOptions;
  readonly #prefixes = new PrefixIndex();

  constructor(options: RouterOptions) {
    if (options.replicas.length === 0) throw new RangeError("a router needs at least one replica");
    this.#options = options;
  }

  /** The best that has not failed this request; else the one that failed it first, which may be back. */
  route(beginning: Beginning, failed: readonly Replica[]): Replica {
    const replica = this.#best(beginning, failed);
    this.#prefixes.saw(replica.name, beginning.blocks);
    return replica;
  }

  #best({ blocks, document }: Beginning, failed: readonly Replica[]): Replica {
    const { replicas, policy, random } = this.#options;
    const seen = this.#prefixes.seen(blocks);
    const left = replicas.filter((replica) => !failed.includes(replica));
    const up = left.filter(({ isUp }) => isUp);
    const views = (up.length > 0 ? up : left).map((replica) => ({
      replica,
      name: replica.name,
      share: replica.share,
      running: replica.running,
      seenBlocks: seen.get(replica.name) ?? 0,
    }));
    const [best] = POLICIES[policy](views, { draw: random(), document });
    const replica = best?.replica ?? failed[0];
    if (replica === undefined) throw new RangeError("no replica is left");
    return replica;
  }
}
