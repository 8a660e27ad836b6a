/** What a disk says, in words for the person who owns it. */
import { FolderFailure } from "../folder.ts";
import { ModelFailure } from "./failure.ts";

const DISK_ERRORS = ["ENOSPC", "EDQUOT", "EIO", "EROFS", "EFBIG", "EACCES", "EPERM", "ENOTDIR", "EISDIR", "EBUSY"];

export function isDiskError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "code" in error && DISK_ERRORS.includes(String(error.code));
}

/** The same error where it is none of a disk. @param what could not be written */
export function diskFailure(error: unknown, what: string): unknown {
  if (error instanceof FolderFailure && !isFull(error)) {
    return new ModelFailure(`${error.message}; give this user the right to it, or take another one with --data-dir`);
  }
  if (!isDiskError(error)) return error;
  if (isFull(error)) {
    return new ModelFailure(
      `the disk is full; what arrived of ${what} is kept. Free some space, or take another directory with --data-dir, and run the same command again`,
    );
  }
  return new ModelFailure(
    `${what} cannot be written (${error.message}); check the directory and its disk, or take another one with --data-dir`,
  );
}

function isFull({ code }: { readonly code?: string | undefined }): boolean {
  return code === "ENOSPC" || code === "EDQUOT";
}
