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
  /** Only one policy asks for it. */
  readonly #memory: Memory | undefined;

  constructor(options: RouterOptions) {
    const { replicas, policy } = options;
    if (replicas.length === 0) throw new RangeError("a router needs at least one replica");
    this.#options = options;
    this.#memory = policy === "prefix_affinity" ? new Memory(replicas) : undefined;
  }

  /** The best that has not failed this request; else the one that failed it first, which may be back. */
  route(beginning: Beginning, failed: readonly Replica[]): Replica {
    const { replicas } = this.#options;
    const left = failed.length === 0 ? replicas : replicas.filter((replica) => !failed.includes(replica));
    const up = left.filter(({ isUp }) => isUp);
    const best = this.#best(up.length > 0 ? up : left, beginning) ?? failed[0];
    if (best === undefined) throw new RangeError("no replica is left");
    this.saw(best, beginning);
    return best;
  }

  /** The best that is there besides some; undefined: there is none. */
  routeBeside(beginning: Beginning, besides: readonly Replica[]): Replica | undefined {
    const others = this.#options.replicas.filter((replica) => replica.isUp && !besides.includes(replica));
    return this.#best(others, beginning);
  }

  /** A replica has the beginning of a request in its cache now. */
  saw(replica: Replica, { blocks }: Beginning): void {
    this.#memory?.saw(replica, blocks);
  }

  #best(replicas: readonly Replica[], { blocks, document }: Beginning): Replica | undefined {
    const { policy, random } = this.#options;
    const seen = this.#memory?.seen(blocks, replicas) ?? NOTHING;
    return POLICIES[policy](replicas, { draw: random(), document, seen });
  }
}

const NOTHING: ReadonlyMap<Replica, number> = new Map();

/** What each replica was asked since it was last started. */
class Memory {
  readonly #index: PrefixIndex;
  /** By replica: the number under which the index knows it, and until which incarnation that holds. */
  readonly #numbers = new Map<Replica, { readonly number: number; readonly incarnation: number }>();
  readonly #replicas = new Map<number, Replica>();
  #given = 0;

  constructor(replicas: readonly Replica[]) {
    this.#index = new PrefixIndex(replicas.length);
  }

  /** @param among no others are told. */
  seen(blocks: readonly number[], among: readonly Replica[]): ReadonlyMap<Replica, number> {
    const seen = new Map<Replica, number>();
    for (const [number, count] of this.#index.seen(blocks)) {
      const replica = this.#replicas.get(number);
      if (replica !== undefined && this.#numberOf(replica) === number && among.includes(replica)) {
        seen.set(replica, count);
      }
    }
    return seen;
  }

  saw(replica: Replica, blocks: readonly number[]): void {
    this.#index.saw(this.#numberOf(replica), blocks);
  }

  /** Another one after it was away; what the index has under the old one means nobody then. */
  #numberOf(replica: Replica): number {
    const known = this.#numbers.get(replica);
    const { incarnation } = replica;
    if (known?.incarnation === incarnation) return known.number;
    if (known !== undefined) this.#replicas.delete(known.number);
    this.#given = (this.#given + 1) >>> 0;
    this.#numbers.set(replica, { number: this.#given, incarnation });
    this.#replicas.set(this.#given, replica);
    return this.#given;
  }
}
