/** Folders that are made when they are needed, and what to tell a person when that fails. */
import { randomBytes } from "node:crypto";
import { lstat, mkdir, open, readlink, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";

/** A folder cannot be made, or nothing can be written into it. The message names the path and the cause. */
export class FolderFailure extends Error {
  override readonly name = "FolderFailure";
  /** The system's code, such as `EACCES`. */
  readonly code: string;

  constructor(message: string, code: string, cause?: unknown) {
    super(message, { cause });
    this.code = code;
  }
}

/**
 * Makes a folder and those above it, like `mkdir -p`.
 *
 * Node's own recursive call never returns where the file system answers ENOENT for a folder whose parent exists, as
 * /proc does (nodejs/node#27198, seen with 20.20). This one tries every folder once.
 *
 * @returns the folders that were not there before, outermost first
 * @throws FolderFailure
 */
export async function makeFolder(path: string): Promise<readonly string[]> {
  const missing: string[] = [];
  for (let at = path; !(await isFolder(at)); at = dirname(at)) {
    missing.unshift(at);
    if (at === dirname(at)) break;
  }
  const made: string[] = [];
  for (const folder of missing) if (await makeOne(folder)) made.push(folder);
  return made;
}

/**
 * Whether files can be made in a folder: makes the folder and a file in it, and removes what it made.
 *
 * @throws FolderFailure
 */
export async function probeFolder(path: string): Promise<void> {
  const made = await makeFolder(path);
  const probe = join(path, `.probe-${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    const file = await open(probe, "wx", 0o600);
    try {
      // An empty file may have room where one byte has none.
      await file.writeFile("probe");
    } finally {
      await file.close();
    }
  } catch (error) {
    throw failureAt(path, "cannot be written to", error);
  } finally {
    await rm(probe, { force: true });
    // Another process may have put something there meanwhile: then the folder stays.
    for (const folder of [...made].reverse()) await rmdir(folder).catch(() => undefined);
  }
}

/** False where nothing is, and below a file. A file in the place of a folder is a failure. */
async function isFolder(path: string): Promise<boolean> {
  try {
    if ((await stat(path)).isDirectory()) return true;
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(codeOf(error))) return false;
    throw failureAt(path, "cannot be used", error);
  }
  throw new FolderFailure(`${path} is a file, and a folder is needed there`, "ENOTDIR");
}

/** False: another process made it meanwhile. */
async function makeOne(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw failureAt(path, "cannot be made", error);
    if (await isFolder(path)) return false;
    throw await danglingLink(path, error);
  }
}

async function danglingLink(path: string, cause: unknown): Promise<FolderFailure> {
  const target = (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  const what = target === undefined ? "no folder" : `a symbolic link to ${target}, which does not exist`;
  return new FolderFailure(`${path} is ${what}`, "ENOENT", cause);
}

/** Node's message says the code, what it stands for, and the call. */
function failureAt(path: string, what: string, error: unknown): FolderFailure {
  const reason = error instanceof Error ? error.message : String(error);
  return new FolderFailure(`the folder ${path} ${what} (${reason})`, codeOf(error), error);
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "";
}
