/** Which replica is asked. Policies decide and do nothing else; they see a moment of the pool. */

/** A replica at this moment. */
export interface ReplicaView {
  /** 32 bits that tell it from others, and are the same in every process. */
  readonly place: number;
  /** Its share of the work, above 0: its weight, and less of it while it warms up. */
  readonly share: number;
  /** Requests that this pool has under way there. */
  readonly running: number;
}

export interface Route<Replica extends ReplicaView> {
  /** In [0, 1), another one for each request. */
  readonly draw: number;
  /** The same for every request that begins alike. */
  readonly document: number;
  /** Of the replicas, those that saw the beginning of the request lately, and how many blocks of it. */
  readonly seen: ReadonlyMap<Replica, number>;
}

/** The best one; undefined: there is none. Its cost grows with the replicas, so one look at each has to do. */
export type Policy = <Replica extends ReplicaView>(
  replicas: readonly Replica[],
  route: Route<Replica>,
) => Replica | undefined;

export const POLICIES = {
  /** The fewest requests under way for its share. */
  least_loaded: (replicas, { draw }) => leastLoaded(replicas, draw),

  /** By chance, as likely as its share. */
  weighted: (replicas, { draw }) => rendezvous(replicas, seedOf(draw)),

  /** The same for every request that begins alike, as long as the replica is there. */
  sticky: (replicas, { document }) => rendezvous(replicas, document | 0),

  /**
   * Who saw most of the prompt, unless it has much more than its part of the work. Where nobody did, one of two replicas that
   * are the same for every request that begins alike, so that several gateways hardly disagree; else the least busy.
   */
  prefix_affinity: (replicas, { draw, document, seen }) => {
    const isFree = boundOf(replicas);
    return (
      whoSawMost(seen, (replica) => isFree(replica, SEEN_SLACK)) ??
      lessBusyHome(replicas, document | 0, (replica) => isFree(replica, 0)) ??
      leastLoaded(replicas, draw)
    );
  },
} as const satisfies Record<string, Policy>;

export type PolicyName = keyof typeof POLICIES;

/** How much more than the mean a replica may have under way to be preferred to those with less to do … */
const SPILL = 1.25;
/** … and how many requests more where it saw the prompt: a short wait costs less than evaluating the prompt again. */
const SEEN_SLACK = 2;

/** Requests for its share, with the one to come. */
function loadOf({ running, share }: ReplicaView): number {
  return (running + 1) / share;
}

/** Whether a replica has no more to do than it should; one without work may always take a request, however small its share. */
function boundOf(replicas: readonly ReplicaView[]): (replica: ReplicaView, slack: number) => boolean {
  let [running, shares] = [0, 0];
  for (const replica of replicas) {
    running += replica.running;
    shares += replica.share;
  }
  const requests = Math.ceil((SPILL * (running + 1)) / replicas.length);
  const perShare = replicas.length / shares;
  return (replica, slack) => replica.running === 0 || loadOf(replica) <= (requests + slack) * perShare;
}

/** Those that saw equally much are chosen among by what they have to do. */
function whoSawMost<Replica extends ReplicaView>(
  seen: ReadonlyMap<Replica, number>,
  isFree: (replica: Replica) => boolean,
): Replica | undefined {
  let best: Replica | undefined;
  let [bestBlocks, bestLoad] = [0, Number.POSITIVE_INFINITY];
  for (const [replica, blocks] of seen) {
    const load = loadOf(replica);
    if (!isFree(replica) || blocks < bestBlocks || (blocks === bestBlocks && load >= bestLoad)) continue;
    best = replica;
    bestBlocks = blocks;
    bestLoad = load;
  }
  return best;
}

function leastLoaded<Replica extends ReplicaView>(replicas: readonly Replica[], draw: number): Replica | undefined {
  const seed = seedOf(draw);
  let best: Replica | undefined;
  let [bestLoad, bestChance] = [Number.POSITIVE_INFINITY, 0];
  for (const replica of replicas) {
    const load = loadOf(replica);
    if (load > bestLoad) continue;
    const chance = mixed(replica.place ^ seed) >>> 0;
    if (load === bestLoad && chance <= bestChance) continue;
    best = replica;
    bestLoad = load;
    bestChance = chance;
  }
  return best;
}

/** Of the two replicas with the lowest weights, the one with less to do, if it is free. */
function lessBusyHome<Replica extends ReplicaView>(
  replicas: readonly Replica[],
  seed: number,
  isFree: (replica: Replica) => boolean,
): Replica | undefined {
  let [first, second]: (Replica | undefined)[] = [];
  let [firstWeight, secondWeight] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (const replica of replicas) {
    const weight = weightOf(replica, seed);
    if (weight >= secondWeight) continue;
    if (weight < firstWeight) {
      [second, secondWeight] = [first, firstWeight];
      [first, firstWeight] = [replica, weight];
    } else [second, secondWeight] = [replica, weight];
  }
  if (first === undefined) return undefined;
  const less = second === undefined || loadOf(first) <= loadOf(second) ? first : second;
  return isFree(less) ? less : undefined;
}

/** The lowest weight: a replica that goes takes only its own requests with it. */
function rendezvous<Replica extends ReplicaView>(replicas: readonly Replica[], seed: number): Replica | undefined {
  let best: Replica | undefined;
  let bestWeight = Number.POSITIVE_INFINITY;
  for (const replica of replicas) {
    const weight = weightOf(replica, seed);
    if (weight >= bestWeight) continue;
    best = replica;
    bestWeight = weight;
  }
  return best;
}

/** Random and always the same for a replica and a seed; the lowest of all as often as the share of the replica says. */
function weightOf({ place, share }: ReplicaView, seed: number): number {
  return -Math.log(((mixed(place ^ seed) >>> 0) + 0.5) / 2 ** 32) / share;
}

function seedOf(draw: number): number {
  return Math.floor(draw * 2 ** 32) | 0;
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
