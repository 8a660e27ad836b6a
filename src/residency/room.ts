import { fitsInto, type MemoryBytes, minus, NO_BYTES, plus } from "../continuation/memory.ts";

/**
 * Which models have to leave the memory before another one comes in. Pure: `ResidentModels` asks after everything that
 * happens.
 */

/** A model as far as memory goes. */
export interface Resident {
  readonly name: string;
  /** What it takes when it is in memory. */
  readonly bytes: MemoryBytes;
  /** `leaving` takes its bytes until it is gone. */
  readonly state: "unloaded" | "resident" | "leaving";
  /** Requests running or about to run on it. */
  readonly leases: number;
  /** When it was last needed; only compared. */
  readonly usedAtMs: number;
}

/** Taken now. */
export function takenBytes(residents: Iterable<Resident>): MemoryBytes {
  let sum = NO_BYTES;
  for (const { state, bytes } of residents) if (state !== "unloaded") sum = plus(sum, bytes);
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
  bytes: MemoryBytes,
  budget: MemoryBytes,
): readonly string[] | undefined {
  const needed = plus(takenBytes(residents), bytes);
  if (fitsInto(needed, budget)) return undefined;
  let excess = minus(needed, budget);
  for (const each of residents) if (each.state === "leaving") excess = minus(excess, each.bytes);
  const candidates = residents
    .filter(({ state }) => state === "resident")
    .sort((a, b) => Number(a.leases > 0) - Number(b.leases > 0) || a.usedAtMs - b.usedAtMs);
  const chosen: Resident[] = [];
  for (const each of candidates) {
    if (!relieves(each.bytes, excess)) continue;
    chosen.push(each);
    excess = minus(excess, each.bytes);
  }
  // A large one may have made smaller ones before it needless.
  for (const each of chosen.toReversed()) {
    const without = plus(excess, each.bytes);
    if (!fitsInto(without, NO_BYTES)) continue;
    chosen.splice(chosen.indexOf(each), 1);
    excess = without;
  }
  return chosen.map(({ name }) => name);
}

/** Frees something of a memory that has too much in it. */
function relieves(bytes: MemoryBytes, excess: MemoryBytes): boolean {
  return (excess.machine > 0 && bytes.machine > 0) || (excess.gpu > 0 && bytes.gpu > 0);
}
