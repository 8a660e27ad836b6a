/**
 * Which models have to leave the memory before another one comes in. Pure: the pool asks after everything that happens.
 */

/** A model as far as memory goes. */
export interface Resident {
  readonly name: string;
  /** What it takes when it is in memory, bytes. */
  readonly bytes: number;
  /** `leaving` takes its bytes until it is gone. */
  readonly state: "unloaded" | "resident" | "leaving";
  /** Requests running or about to run on it. */
  readonly leases: number;
  /** When it was last needed; only compared. */
  readonly usedAtMs: number;
}

/** Bytes taken now. */
export function takenBytes(residents: Iterable<Resident>): number {
  let sum = 0;
  for (const { state, bytes } of residents) if (state !== "unloaded") sum += bytes;
  return sum;
}

/**
 * Models that make room for `bytes` more, least recently used first, idle ones before busy ones; those that are leaving
 * already count as gone. Undefined: there is room now. An empty list: there will be when the leaving ones are gone.
 *
 * A busy model on the list gets no new requests and leaves when its last one has ended. Nothing else stays free of it:
 * without that, a model that is never idle would keep another one out for ever.
 */
export function makeRoom(
  residents: readonly Resident[],
  bytes: number,
  budgetBytes: number,
): readonly string[] | undefined {
  const taken = takenBytes(residents);
  if (taken + bytes <= budgetBytes) return undefined;
  let excess = taken + bytes - budgetBytes;
  for (const each of residents) if (each.state === "leaving") excess -= each.bytes;
  const candidates = residents
    .filter(({ state }) => state === "resident")
    .sort((a, b) => Number(a.leases > 0) - Number(b.leases > 0) || a.usedAtMs - b.usedAtMs);
  const chosen: Resident[] = [];
  for (const each of candidates) {
    if (excess <= 0) break;
    chosen.push(each);
    excess -= each.bytes;
  }
  // A large one may have made smaller ones before it needless.
  for (const each of chosen.toReversed()) {
    if (excess + each.bytes > 0) continue;
    chosen.splice(chosen.indexOf(each), 1);
    excess += each.bytes;
  }
  return chosen.map(({ name }) => name);
}
