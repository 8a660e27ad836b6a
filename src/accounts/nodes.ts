import { readlinkSync } from "node:fs";
import { hostname } from "node:os";
import type { NodeRow, Store } from "../db/schema.ts";
import { newId } from "./secret.ts";

/** A node that has not been seen for so long has crashed, or nobody can tell the difference. */
const LEASE_MS = 20_000;

/** A server process, as the others find it. */
export interface NodeIdentity {
  readonly id: string;
  /** Where its process id means something: a machine, and there a namespace of processes. */
  readonly place: string;
  readonly processId: number;
  /** When the process began, epoch milliseconds. */
  readonly startedAtMs: number;
}

/** A new name for this process. */
export function thisNode(): NodeIdentity {
  return {
    id: newId("node_"),
    place: `${hostname()} ${processNamespace()}`.trim(),
    processId: process.pid,
    startedAtMs: Math.floor(performance.timeOrigin),
  };
}

/** Says that a node is there. */
export async function see(store: Store, node: NodeIdentity, nowMs: number): Promise<void> {
  await store
    .insertInto("nodes")
    .values({
      id: node.id,
      place: node.place,
      process_id: node.processId,
      started_at_ms: node.startedAtMs,
      seen_at_ms: nowMs,
    })
    .onConflict((conflict) => conflict.column("id").doUpdateSet({ seen_at_ms: nowMs }))
    .execute();
}

/** What a node leaves behind belongs to nobody from now on. */
export async function leave(store: Store, node: NodeIdentity): Promise<void> {
  await store.deleteFrom("nodes").where("id", "=", node.id).execute();
}

/** Removes the nodes that have crashed, as far as `self` can tell. */
export async function removeCrashed(store: Store, self: NodeIdentity, nowMs: number): Promise<void> {
  const nodes = await store.selectFrom("nodes").selectAll().where("id", "<>", self.id).execute();
  for (const node of nodes.filter((each) => hasCrashed(each, self, nowMs))) {
    // Not if it has shown itself in between.
    await store.deleteFrom("nodes").where("id", "=", node.id).where("seen_at_ms", "=", node.seen_at_ms).execute();
  }
}

function hasCrashed(node: NodeRow, self: NodeIdentity, nowMs: number): boolean {
  if (nowMs - node.seen_at_ms > LEASE_MS) return true;
  if (node.place !== self.place) return false;
  if (node.process_id === self.processId) return node.started_at_ms !== self.startedAtMs;
  return !isRunning(node.process_id);
}

function isRunning(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch (error) {
    // A process of another user may not be signalled, but it is there.
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

/** Containers may share a machine's name; their processes are numbered apart (Linux, namespaces(7)). */
function processNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return ""; // no such thing on this system
  }
}
