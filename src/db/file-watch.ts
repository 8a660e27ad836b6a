import { statSync } from "node:fs";
import { StoreFailure } from "./failure.ts";

/** Which file a path means: a file that is moved keeps these, a copy or a new one has others. */
interface Identity {
  readonly dev: bigint;
  readonly ino: bigint;
}

/**
 * Notices that the files of an open database were removed or replaced.
 *
 * SQLite goes on with the files it has open: whatever it writes then is gone when the process ends, and keys that are
 * revoked in a new file still work here. When the same files are back, all is as before. Another file is not taken
 * over: what this process knows of its keys and running requests belongs to the old one.
 */
export class FileWatch {
  readonly #path: string;
  /** By path. The log appears with the first query and stays as long as anybody has the database open. */
  readonly #known = new Map<string, Identity>();

  /** @param path of the database file, which is there. */
  constructor(path: string) {
    this.#path = path;
  }

  /** Throws `StoreFailure`. */
  check(): void {
    for (const path of [this.#path, `${this.#path}-wal`]) this.#checkOne(path);
  }

  #checkOne(path: string): void {
    const found = identityOf(path);
    const known = this.#known.get(path);
    if (known === undefined) {
      if (found !== undefined) this.#known.set(path, found);
      return;
    }
    if (found !== undefined && found.dev === known.dev && found.ino === known.ino) return;
    const what = found === undefined ? "was removed" : "was replaced by another file";
    const advice = "put the same file back, or restart the server to use what is there now";
    throw new StoreFailure("unavailable", `the database file ${path} ${what} while it was open; ${advice}`);
  }
}

function identityOf(path: string): Identity | undefined {
  // Inode numbers of some file systems need 64 bits.
  return statSync(path, { bigint: true, throwIfNoEntry: false });
}
