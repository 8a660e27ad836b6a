/** A model that is on this machine already: linked where the disk is the same, else copied. */
import { constants, createReadStream, createWriteStream } from "node:fs";
import { copyFile, link, realpath, rename, rm, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { syncFolder } from "./atomic.ts";
import { diskFailure } from "./disk-failure.ts";
import { ModelFailure } from "./failure.ts";
import { beginsLikeGguf } from "./gguf-magic.ts";
import { checkRoom, type FetchOptions, type Progress, sha256Of } from "./install.ts";
import { PART_SUFFIX } from "./part-file.ts";
import type { Manifest } from "./store.ts";
import type { GgufName } from "./variant.ts";

/** Bytes that are copied at a time. */
const COPY_BYTES = 1 << 20;

/**
 * Brings the file, and all shards of its set, into `folder`.
 *
 * @throws ModelFailure when a file is no GGUF file, a shard is missing, or the disk is full.
 */
export async function importFiles(
  path: string,
  { shard }: GgufName,
  folder: string,
  options: FetchOptions,
): Promise<Manifest["files"]> {
  const paths = shard === undefined ? [path] : shardsOf(path, shard.count);
  const sizes: number[] = [];
  for (const [index, each] of paths.entries()) sizes.push(await sizeOfGguf(each, index + 1, paths.length));
  const totalBytes = sizes.reduce((total, size) => total + size, 0);
  const files: Manifest["files"] = [];
  let doneBytes = 0;
  for (const [index, each] of paths.entries()) {
    const name = basename(each);
    const to = join(folder, name);
    const sizeBytes = sizes[index] ?? 0;
    const progressOf =
      (doing: Progress["doing"]) =>
      (bytes: number): void =>
        options.progress({ doing, doneBytes: doneBytes + bytes, totalBytes });
    await linkOrCopy(each, to, sizeBytes, progressOf("copying"), options);
    const sha256 = await sha256Of(to, progressOf("checking"), options.signal);
    files.push({ name, sizeBytes, sha256, isChecked: false });
    doneBytes += sizeBytes;
  }
  await syncFolder(folder);
  return files;
}

function shardsOf(path: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => {
    const name = basename(path).replace(/-\d{5}(?=-of-\d{5}\.gguf$)/i, `-${String(index + 1).padStart(5, "0")}`);
    return join(dirname(path), name);
  });
}

async function sizeOfGguf(path: string, shard: number, shards: number): Promise<number> {
  try {
    const { size } = await stat(path);
    if (await beginsLikeGguf(path)) return size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      throw new ModelFailure(
        `the model lacks shard ${shard} of ${shards}: there is no file ${path}; put it beside the others`,
      );
    }
    throw new ModelFailure(`${path} cannot be read (${messageOf(error)}); check its permissions`);
  }
  throw new ModelFailure(`expected a GGUF file, but ${path} does not begin like one; check which file it is`);
}

async function linkOrCopy(
  from: string,
  to: string,
  sizeBytes: number,
  progress: (bytes: number) => void,
  options: FetchOptions,
): Promise<void> {
  const part = `${to}${PART_SUFFIX}`;
  await rm(part, { force: true });
  try {
    // A link to a symbolic link would be one, and lead nowhere from here (link(2)); caches of hubs consist of them.
    await link(await realpath(from), part);
  } catch {
    // Another disk, or one without links.
    await checkRoom(sizeBytes, dirname(to), options);
    try {
      await cloneOrCopy(from, part, progress, options.signal);
    } catch (error) {
      await rm(part, { force: true });
      options.signal.throwIfAborted();
      throw diskFailure(error, to);
    }
  }
  await rename(part, to);
  // Renaming one link of a file to another link of the same file leaves both.
  await rm(part, { force: true });
}

/** A disk that shares blocks among files needs no time; elsewhere gigabytes take minutes, which may be stopped. */
async function cloneOrCopy(
  from: string,
  to: string,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    await copyFile(from, to, constants.COPYFILE_FICLONE_FORCE);
  } catch {
    let copied = 0;
    const counted = async function* (source: AsyncIterable<Buffer>) {
      for await (const data of source) {
        copied += data.length;
        progress(copied);
        yield data;
      }
    };
    const source = createReadStream(from, { highWaterMark: COPY_BYTES });
    await pipeline(source, counted, createWriteStream(to), { signal });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
