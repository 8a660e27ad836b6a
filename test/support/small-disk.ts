/** A disk of one mebibyte that a test may fill, where the system lets us mount one. */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, statSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "./files.ts";

export interface SmallDisk {
  /** Its root folder. */
  readonly path: string;
  /** Leaves no room, but for `leftBytes`. */
  fill(leftBytes?: number): void;
  /** Gives the room back. */
  clear(): void;
  remove(): void;
}

const SIZE_BYTES = 1 << 20;

/** Why there is none, for the test to be skipped with. */
export function smallDisk(): SmallDisk | { readonly missing: string } {
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return { missing: "a disk to fill needs Linux and root: a tmpfs is mounted" };
  }
  const folder = temporaryFolder();
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", `size=${SIZE_BYTES}`, "tmpfs", folder.path], { stdio: "pipe" });
  } catch (error) {
    folder.remove();
    return { missing: `mounting a tmpfs is not allowed here (${error instanceof Error ? error.message : error})` };
  }
  const filler = join(folder.path, "filler");
  const clear = () => rmSync(filler, { force: true });
  return {
    path: folder.path,
    fill: (leftBytes = 0) => fill(filler, leftBytes),
    clear,
    remove: () => {
      // Lazily: a server that still ends may have files open there.
      execFileSync("umount", ["--lazy", folder.path]);
      folder.remove();
    },
  };
}

function fill(path: string, leftBytes: number): void {
  const page = Buffer.alloc(4096);
  const file = openSync(path, "w");
  try {
    for (;;) writeSync(file, page);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
  } finally {
    closeSync(file);
  }
  if (leftBytes > 0) truncateSync(path, statSync(path).size - leftBytes);
}
