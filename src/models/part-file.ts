/**
 * A file on its way: `NAME.part` with its final size from the start, and `NAME.part.json`, which says what of it is there.
 *
 * The record never claims a byte that is not on disk: bytes are flushed first, then the record is replaced whole. What
 * a crash loses is at most what arrived since the last record.
 */
import { constants, type FileHandle, open, readFile, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { z } from "zod";
import { syncFolder, writeWhole } from "./atomic.ts";
import { type ByteRange, bytesIn, withRange } from "./ranges.ts";

/** Tells one content from another: parts of two different ones must not be mixed. */
export interface Identity {
  readonly sizeBytes: number;
  /** The checksum, else what the server says of the version (`ETag`), else empty. */
  readonly version: string;
}

const offset = z.int().min(0);

const recordSchema = z.object({
  /** What the person typed, to go on with. */
  reference: z.string(),
  sizeBytes: offset,
  version: z.string(),
  done: z.array(z.tuple([offset, offset])),
});

export type PartRecord = z.output<typeof recordSchema>;

/** How a part is opened; tests hand in disks that fill up. */
export type OpenFile = (path: string, flags: number) => Promise<FileHandle>;

export interface PartOptions {
  readonly identity: Identity;
  readonly reference: string;
  readonly openFile?: OpenFile;
}

/** What `stat` counts in, whatever the blocks of the disk: parts have holes where nothing has arrived. */
export const BLOCK_BYTES = 512;

export const PART_SUFFIX = ".part";
export const RECORD_SUFFIX = ".part.json";

/** The record of a part; undefined when there is none that can be used. @param path of the finished file */
export async function readRecord(path: string): Promise<PartRecord | undefined> {
  try {
    const parsed = recordSchema.safeParse(JSON.parse(await readFile(`${path}${RECORD_SUFFIX}`, "utf8")));
    return parsed.success ? parsed.data : undefined;
  } catch {
    return undefined; // none yet, or not ours: the download starts from the beginning, and nothing is lost but time
  }
}

export class PartFile {
  readonly #path: string;
  readonly #file: FileHandle;
  readonly #options: PartOptions;
  #done: readonly ByteRange[];
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, file: FileHandle, options: PartOptions, done: readonly ByteRange[]) {
    this.#path = path;
    this.#file = file;
    this.#options = options;
    this.#done = done;
  }

  /** Goes on with what is there if it is of the same content, else starts over. @param path of the finished file */
  static async open(path: string, options: PartOptions): Promise<PartFile> {
    const { identity, openFile = open } = options;
    const part = `${path}${PART_SUFFIX}`;
    const record = await readRecord(path);
    const isSame = record?.sizeBytes === identity.sizeBytes && record.version === identity.version;
    // The claim goes before the bytes, so that no moment has claims about other bytes.
    if (!isSame) await rm(`${path}${RECORD_SUFFIX}`, { force: true });
    const file = await openFile(part, constants.O_RDWR | constants.O_CREAT);
    try {
      const isWhole = (await file.stat()).size === identity.sizeBytes;
      if (!isSame || !isWhole) {
        await file.truncate(0);
        await file.truncate(identity.sizeBytes);
      }
      return new PartFile(path, file, options, isSame && isWhole ? rangesIn(record) : []);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** What is there, by this process's knowledge; on disk for sure only after `save`. */
  get done(): readonly ByteRange[] {
    return this.#done;
  }

  get doneBytes(): number {
    return bytesIn(this.#done);
  }

  /** Rejects with the system's error, such as ENOSPC; what was written before stays. */
  async write(data: Uint8Array, position: number): Promise<void> {
    let written = 0;
    while (written < data.length) {
      const { bytesWritten } = await this.#file.write(data, written, data.length - written, position + written);
      this.#done = withRange(this.#done, { start: position + written, end: position + written + bytesWritten });
      written += bytesWritten;
    }
  }

  /** Forgets everything, for a server that can only start at the beginning. */
  async restart(): Promise<void> {
    await this.#saving;
    this.#done = [];
    await rm(`${this.#path}${RECORD_SUFFIX}`, { force: true });
  }

  /** Flushes what has been written until now, then says so in the record. One at a time, in order. */
  save(): Promise<void> {
    const saved = this.#saving.then(() => this.#flush());
    this.#saving = saved.catch(() => {}); // the caller has the failure; the next save must not inherit it
    return saved;
  }

  async #flush(): Promise<void> {
    const done = this.#done;
    await this.#file.datasync();
    const { identity, reference } = this.#options;
    const record: PartRecord = { reference, ...identity, done: done.map(({ start, end }) => [start, end]) };
    await writeWhole(`${this.#path}${RECORD_SUFFIX}`, `${JSON.stringify(record)}\n`);
  }

  /** The content from the beginning. */
  async *read(signal: AbortSignal): AsyncGenerator<Buffer> {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    for (let at = 0; ; ) {
      signal.throwIfAborted();
      const { bytesRead } = await this.#file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield buffer.subarray(0, bytesRead);
    }
  }

  async close(): Promise<void> {
    await this.#saving;
    await this.#file.close();
  }

  /** Closes, and puts the file under its own name. */
  async finish(): Promise<void> {
    await this.#saving;
    await this.#file.sync();
    await this.#file.close();
    await rename(`${this.#path}${PART_SUFFIX}`, this.#path);
    await rm(`${this.#path}${RECORD_SUFFIX}`, { force: true });
    await syncFolder(dirname(this.#path));
  }

  /** Closes, and removes everything. */
  async discard(): Promise<void> {
    await this.close();
    await rm(`${this.#path}${RECORD_SUFFIX}`, { force: true });
    await rm(`${this.#path}${PART_SUFFIX}`, { force: true });
  }
}

/** Bytes read at a time for the checksum. */
const READ_BYTES = 1 << 20;

/** Ranges of a record, whoever wrote it: in order, and none beyond the end. */
function rangesIn({ done, sizeBytes }: PartRecord): readonly ByteRange[] {
  return done.reduce<readonly ByteRange[]>(
    (ranges, [start, end]) => withRange(ranges, { start, end: Math.min(end, sizeBytes) }),
    [],
  );
}
