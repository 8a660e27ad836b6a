/** Which replica is asked first. Policies decide and do nothing else; they see a moment of the pool. */

/** A replica at this moment. */
export interface ReplicaView {
  readonly name: string;
  /** Its share of the work, above 0: its weight, and less of it while it warms up. */
  readonly share: number;
  /** Requests that this pool has under way there. */
  readonly running: number;
  /** Blocks at the beginning of the request that it was the last to see. */
  readonly seenBlocks: number;
}

export interface Route {
  /** In [0, 1), another one for each request. */
  readonly draw: number;
  /** The same for every request that begins alike. */
  readonly document: number;
}

/** All replicas, best first. */
export type Policy = <Replica extends ReplicaView>(replicas: readonly Replica[], route: Route) => Replica[];

export const POLICIES = {
  /** The fewest requests under way for its share. */
  least_loaded: (replicas, { draw }) => sortedBy(replicas, (replica) => [loadOf(replica), -hashOf(replica.name, draw)]),

  /** By chance, as likely as its share. */
  weighted: (replicas, { draw }) => rendezvous(replicas, draw),

  /** The same for every request that begins alike, as long as the replica is there. */
  sticky: (replicas, { document }) => rendezvous(replicas, document),

  /** Who saw most of the prompt last, unless it has more than its part of the work; then who has the least to do. */
  prefix_affinity: (replicas, { draw }) => {
    const bound = mostLoad(replicas);
    const use = (replica: ReplicaView): number => (loadOf(replica) <= bound ? replica.seenBlocks : 0);
    return sortedBy(replicas, (replica) => [-use(replica), loadOf(replica), -hashOf(replica.name, draw)]);
  },
} as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof POLICIES;

/** How much more than the mean a replica may have under way before what it has seen does not count. */
const SPILL = 1.25;

/** Requests for its share, with the one to come. */
function loadOf({ running, share }: ReplicaView): number {
  return (running + 1) / share;
}

/** The mean of all replicas with the request to come, and some more; a replica without work may always take one. */
function mostLoad(replicas: readonly ReplicaView[]): number {
  const running = replicas.reduce((sum, replica) => sum + replica.running, 0);
  const share = replicas.reduce((sum, replica) => sum + replica.share, 0);
  const idle = Math.max(...replicas.map((replica) => 1 / replica.share));
  return Math.max(idle, Math.ceil((SPILL * (running + 1)) / replicas.length) * (replicas.length / share));
}

/** Highest random weight: a replica that goes takes only its own requests with it. */
function rendezvous<Replica extends ReplicaView>(replicas: readonly Replica[], key: number): Replica[] {
  return sortedBy(replicas, ({ name, share }) => [-Math.log(hashOf(name, key)) / share]);
}

/** Evenly spread over (0, 1). */
function hashOf(name: string, key: number): number {
  return (hash(`${key} ${name}`) + 1) / 2 ** 52;
}

/** Ascending, by the first criterion that differs. */
function sortedBy<T>(items: readonly T[], criteriaOf: (item: T) => readonly number[]): T[] {
  const keyed = items.map((item) => ({ item, criteria: criteriaOf(item) }));
  keyed.sort((a, b) => a.criteria.map((each, at) => each - (b.criteria[at] ?? 0)).find((each) => each !== 0) ?? 0);
  return keyed.map(({ item }) => item);
}

/** 52 bits of a text, for placing and not for secrets: FNV-1a in two lanes with a final mix. */
export function hash(text: string, seed = 0): number {
  let low = 0x811c9dc5 ^ seed;
  let high = 0x9e3779b9 ^ (seed / 2 ** 32);
  for (let index = 0; index < text.length; index += 1) {
    const unit = text.charCodeAt(index);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
  }
  return (mixed(low ^ high) >>> 12) * 2 ** 32 + (mixed(high + Math.imul(low, 31)) >>> 0);
}

/** Every bit of the result depends on every bit given. */
function mixed(bits: number): number {
  let word = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  word = Math.imul(word ^ (word >>> 15), 0x846ca68b);
  return word ^ (word >>> 16);
}
