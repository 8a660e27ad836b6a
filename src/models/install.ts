/** The files of one model, one after the other, with one progress over all of them. */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { stat, statfs } from "node:fs/promises";
import { basename, join } from "node:path";
import { sizeText } from "./bytes.ts";
import { type DownloadOptions, download } from "./download.ts";
import { ModelFailure } from "./failure.ts";
import type { RemoteFile } from "./hub.ts";
import { BLOCK_BYTES, PART_SUFFIX } from "./part-file.ts";
import type { Manifest, ModelStore } from "./store.ts";

export interface Progress {
  readonly doing: "downloading" | "copying" | "checking";
  /** Of all files of the model. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface FetchOptions extends Omit<DownloadOptions, "progress"> {
  readonly store: ModelStore;
  readonly now: () => number;
  readonly progress: (progress: Progress) => void;
  /** Bytes that an ordinary user may still write to the disk of `folder`. */
  readonly freeBytes?: (folder: string) => Promise<number>;
}

export interface Fetch {
  readonly files: readonly RemoteFile[];
  readonly secrets: Readonly<Record<string, string>>;
  readonly accessAdvice: string;
  readonly folder: string;
  /** What the person typed. */
  readonly reference: string;
}

/** Downloads what is not there yet. Throws `ModelFailure` when there is not enough room. */
export async function fetchFiles(what: Fetch, options: FetchOptions): Promise<Manifest["files"]> {
  const missing = await Promise.all(what.files.map((file) => missingBytes(file, what.folder)));
  await checkRoom(sum(missing), what.folder, options);
  const totalBytes = sum(what.files.map(({ sizeBytes = 0 }) => sizeBytes));
  const fetched: Manifest["files"] = [];
  for (const file of what.files) {
    const before = sum(fetched.map(({ sizeBytes }) => sizeBytes));
    const progress: DownloadOptions["progress"] = (doneBytes, doing) =>
      options.progress({ doing, doneBytes: before + doneBytes, totalBytes });
    const name = basename(file.path);
    const to = join(what.folder, name);
    const { secrets, accessAdvice, reference } = what;
    const facts =
      (await alreadyThere(to, file, progress, options)) ??
      (await download({ file, secrets, accessAdvice, to, reference }, { ...options, progress }));
    fetched.push({ name, ...facts });
  }
  return fetched;
}

/** Bytes left free for everybody else on the disk. */
const ROOM_TO_LEAVE_BYTES = 64 * 2 ** 20;

/** @param neededBytes that will be written into `folder` */
export async function checkRoom(
  neededBytes: number,
  folder: string,
  { freeBytes = freeBytesOf }: Pick<FetchOptions, "freeBytes">,
): Promise<void> {
  const free = await freeBytes(folder);
  if (neededBytes === 0 || neededBytes + ROOM_TO_LEAVE_BYTES <= free) return;
  throw new ModelFailure(
    `${sizeText(neededBytes)} are still to come, but the disk of ${folder} has only ${sizeText(free)} free; free some space, take another directory with --data-dir, or name a smaller quantisation`,
  );
}

/** A file from an earlier run that was stopped before the model was complete: only its checksum tells that it is right. */
async function alreadyThere(
  path: string,
  { sizeBytes, sha256 }: RemoteFile,
  progress: DownloadOptions["progress"],
  { signal }: FetchOptions,
): Promise<Omit<Manifest["files"][number], "name"> | undefined> {
  const found = await sizeOf(path);
  if (sha256 === undefined || found === undefined || found !== sizeBytes) return undefined;
  const actual = await sha256Of(path, (bytes) => progress(bytes, "checking"), signal);
  return actual === sha256 ? { sizeBytes: found, sha256, isChecked: true } : undefined;
}

/** @param progress is told the bytes read so far */
export async function sha256Of(path: string, progress: (bytes: number) => void, signal: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  let read = 0;
  for await (const data of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    signal.throwIfAborted();
    hash.update(data);
    read += data.length;
    progress(read);
  }
  return hash.digest("hex");
}

/** Bytes that the disk must still take: what a part has taken already is there, recorded or not. */
async function missingBytes({ path, sizeBytes = 0, sha256 }: RemoteFile, folder: string): Promise<number> {
  const to = join(folder, basename(path));
  if (sha256 !== undefined && (await sizeOf(to)) === sizeBytes) return 0;
  const part = await stat(`${to}${PART_SUFFIX}`).catch(() => undefined); // none yet
  return Math.max(0, sizeBytes - (part?.blocks ?? 0) * BLOCK_BYTES);
}

async function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(
    ({ size }) => size,
    () => undefined, // not there: nothing to go on with
  );
}

async function freeBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
