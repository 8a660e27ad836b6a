/**
 * One writer at a time in a folder, across processes: a file that only one of them can create.
 *
 * The holder touches it while it lives. A lock counts as left behind when its process on this machine is gone, or when
 * nobody has touched it for a while (a holder in another container, or on another machine that shares the disk).
 */
import { createHash, randomBytes } from "node:crypto";
import { open, readFile, rm, stat, utimes } from "node:fs/promises";
import { hostname } from "node:os";
import { z } from "zod";

export interface Lock {
  release(): Promise<void>;
}

const ownerSchema = z.object({ pid: z.int(), host: z.string(), token: z.string() });

/** How often the holder touches the lock, and how old it must be to count as left behind, milliseconds. */
const TOUCH_EVERY_MS = 2000;
const STALE_AFTER_MS = 20_000;

/** Undefined when another process holds it. */
export async function takeLock(path: string): Promise<Lock | undefined> {
  const token = randomBytes(8).toString("hex");
  for (;;) {
    if (await created(path, token)) return held(path, token);
    const text = await textOf(path);
    if (text === undefined) continue; // released between the two looks
    if (!(await isLeftBehind(path, text))) return undefined;
    if (!(await takenAway(path, text, token))) return undefined;
  }
}

async function created(path: string, token: string): Promise<boolean> {
  try {
    const file = await open(path, "wx");
    try {
      await file.writeFile(JSON.stringify({ pid: process.pid, host: hostname(), token }));
    } finally {
      await file.close();
    }
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function held(path: string, token: string): Lock {
  const timer = setInterval(() => {
    const now = new Date();
    utimes(path, now, now).catch(() => {}); // the folder was removed under us: the write itself will say so
  }, TOUCH_EVERY_MS);
  timer.unref();
  return {
    release: async () => {
      clearInterval(timer);
      const text = await readFile(path, "utf8").catch(() => "");
      if (text.includes(token)) await rm(path, { force: true });
    },
  };
}

/** Undefined when there is no such file. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

async function isLeftBehind(path: string, text: string): Promise<boolean> {
  if ((await ageMs(path)) > STALE_AFTER_MS) return true;
  const owner = ownerSchema.safeParse(jsonIn(text));
  // A text that is not whole yet is being written at this moment.
  return owner.success && owner.data.host === hostname() && !isAlive(owner.data.pid);
}

/**
 * Whether the lock is gone, so that this call may try again. Of several who find the same one left behind, only who creates the claim on it may: a
 * claim is named after the lock's text, which no other lock has, so a successor is never removed.
 */
async function takenAway(path: string, text: string, token: string): Promise<boolean> {
  const claim = `${path}.${createHash("sha256").update(text).digest("hex").slice(0, 16)}`;
  if (!(await created(claim, token))) {
    const age = await ageMs(claim);
    if (age > STALE_AFTER_MS) await rm(claim, { force: true }); // who claimed it was killed then; the next call may try
    return false;
  }
  try {
    if ((await textOf(path)) !== text) return true; // removed since we looked
    await rm(path, { force: true });
    return true;
  } finally {
    await rm(claim, { force: true });
  }
}

/** 0 for a file that is gone. */
async function ageMs(path: string): Promise<number> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs,
    () => 0,
  );
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // it lives, and belongs to somebody else
  }
}

function jsonIn(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
