/**
 * One file from a server to the disk: over several connections, resumable, checked, and in place only when it is whole.
 */
import { createHash } from "node:crypto";
import { diskFailure, isDiskError } from "./disk-failure.ts";
import { ModelFailure } from "./failure.ts";
import type { RemoteFile } from "./hub.ts";
import { type OpenFile, PartFile } from "./part-file.ts";
import { type Probed, probe, versionOf } from "./probe.ts";
import { type ByteRange, cutIntoPieces, missingRanges } from "./ranges.ts";
import { type RetryOptions, Strikes } from "./retry.ts";
import { type Ask, connectionError, type Reply, TransferError, type Transport } from "./transport.ts";

export interface DownloadOptions extends RetryOptions {
  readonly transport: Transport;
  readonly connections: number;
  /** Bytes asked for at a time; absent: by the size of the file. */
  readonly pieceBytes?: number;
  /** Bytes of the file that are there by now, and what is being done. */
  readonly progress: (doneBytes: number, doing: "downloading" | "checking") => void;
  readonly openFile?: OpenFile;
}

export interface Download {
  readonly file: RemoteFile;
  readonly secrets: Readonly<Record<string, string>>;
  readonly accessAdvice: string;
  /** Path of the finished file; its folder exists. */
  readonly to: string;
  /** What the person typed. */
  readonly reference: string;
}

export interface Downloaded {
  readonly sizeBytes: number;
  readonly sha256: string;
  /** False: the server gave no checksum, so only the size was compared. */
  readonly isChecked: boolean;
}

/** How often the record of a part is brought up to date, milliseconds. A crash loses what arrived since. */
const SAVE_EVERY_MS = 1000;

/** Pieces are small enough to share among connections and large enough to make requests rare. */
const MIN_PIECE_BYTES = 1 << 16;
const MAX_PIECE_BYTES = 1 << 25;
const PIECES_PER_CONNECTION = 4;

/** Resolves when the file is in place. Throws `ModelFailure`, or `signal.reason`; what arrived is kept for the next time. */
export async function download(what: Download, options: DownloadOptions): Promise<Downloaded> {
  const ask: Ask = {
    url: what.file.url,
    what: what.file.path,
    secrets: what.secrets,
    accessAdvice: what.accessAdvice,
  };
  const probed = await probe(ask, what.file, options);
  const { sizeBytes } = probed;
  const identity = { sizeBytes, version: what.file.sha256 ?? probed.version };
  const { openFile } = options;
  const part = await PartFile.open(what.to, {
    identity,
    reference: what.reference,
    ...(openFile !== undefined && { openFile }),
  });
  let isOpen = true;
  try {
    await fill(part, ask, probed, options);
    const sha256 = await hashOf(part, options);
    if (what.file.sha256 !== undefined && what.file.sha256 !== sha256) {
      isOpen = false;
      await part.discard();
      throw new ModelFailure(
        `${what.file.path} arrived with sha256 ${sha256}, expected ${what.file.sha256}; what arrived was discarded. Pull again; if that changes nothing, the file on the server or a proxy on the way is broken`,
      );
    }
    isOpen = false;
    await part.finish();
    return { sizeBytes, sha256, isChecked: what.file.sha256 !== undefined };
  } finally {
    if (isOpen) await part.close();
  }
}

/** Fetches everything that is missing. What was written is recorded however it ends. */
async function fill(part: PartFile, ask: Ask, probed: Probed, options: DownloadOptions): Promise<void> {
  const filling = new Filling(part, ask, probed, options);
  try {
    await filling.run();
  } catch (error) {
    await part.save().catch(() => {}); // a disk that is full cannot take the record either; the last one still holds
    throw diskFailure(error, ask.what);
  }
}

class Filling {
  readonly #part: PartFile;
  readonly #ask: Ask;
  readonly #probed: Probed;
  readonly #options: DownloadOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #savedBytes: number;
  #isSaving = false;

  constructor(part: PartFile, ask: Ask, probed: Probed, options: DownloadOptions) {
    this.#part = part;
    this.#ask = ask;
    this.#probed = probed;
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#stop.signal]);
    this.#savedBytes = part.doneBytes;
  }

  async run(): Promise<void> {
    const { connections, pieceBytes = pieceBytesFor(this.#probed.sizeBytes, connections) } = this.#options;
    const { sizeBytes } = this.#probed;
    if (!this.#probed.takesRanges && this.#part.doneBytes < sizeBytes) await this.#part.restart();
    this.#report();
    const missing = missingRanges(this.#part.done, sizeBytes);
    // Without ranges there is one piece, the whole file, from its beginning after every cut.
    const pieces = [...(this.#probed.takesRanges ? cutIntoPieces(missing, pieceBytes) : missing)];
    const timer = setInterval(() => void this.#saveNews(), SAVE_EVERY_MS);
    try {
      const lanes = Array.from({ length: Math.min(connections, pieces.length) }, () => this.#lane(pieces));
      const failed = (await Promise.allSettled(lanes)).some(({ status }) => status === "rejected");
      this.#options.signal.throwIfAborted();
      if (failed) throw this.#stop.signal.reason;
      await this.#part.save();
    } finally {
      clearInterval(timer);
    }
  }

  /** One connection: takes the next piece until none is left. A failure stops the others. */
  async #lane(pieces: ByteRange[]): Promise<void> {
    try {
      for (let piece = pieces.shift(); piece !== undefined; piece = pieces.shift()) await this.#piece(piece);
    } catch (error) {
      this.#stop.abort(error);
      throw error;
    }
  }

  /** A piece in as many attempts as it takes; each goes on where the last one was cut. */
  async #piece({ start, end }: ByteRange): Promise<void> {
    const strikes = new Strikes({ ...this.#options, signal: this.#signal });
    let at = start;
    while (at < end) {
      try {
        for await (const data of this.#bytes({ start: at, end })) {
          await this.#part.write(data, at);
          at += data.length;
          if (this.#probed.takesRanges) strikes.clear();
          this.#report();
        }
        if (at < end) throw new TransferError(`${this.#host}: the connection was cut`, { isTransient: true });
      } catch (error) {
        if (!this.#probed.takesRanges) {
          at = start;
          await this.#part.restart();
        }
        await strikes.strike(connectionErrorOnly(error, this.#host, this.#signal));
      }
    }
  }

  async *#bytes(range: ByteRange): AsyncGenerator<Buffer> {
    const ask = this.#probed.takesRanges ? { ...this.#ask, range } : this.#ask;
    const reply = await this.#options.transport.get(ask, this.#signal);
    try {
      checkReply(reply, range, this.#probed, this.#ask);
      let left = range.end - range.start;
      for await (const data of reply.body as AsyncIterable<Buffer>) {
        left -= data.length;
        if (left < 0) throw new ModelFailure(`${this.#host} sends more of ${this.#ask.what} than it announced`);
        yield data;
      }
    } finally {
      reply.body.destroy();
    }
  }

  /** Records what has arrived since the last time. A record that cannot be written stops everything. */
  async #saveNews(): Promise<void> {
    const { doneBytes } = this.#part;
    if (this.#isSaving || doneBytes === this.#savedBytes) return;
    this.#isSaving = true;
    try {
      await this.#part.save();
      this.#savedBytes = doneBytes;
    } catch (error) {
      this.#stop.abort(error);
    } finally {
      this.#isSaving = false;
    }
  }

  #report(): void {
    this.#options.progress(this.#part.doneBytes, "downloading");
  }

  get #host(): string {
    return new URL(this.#ask.url).host;
  }
}

/** A disk's error stays what it is; everything a connection does becomes a `TransferError`. */
function connectionErrorOnly(error: unknown, host: string, signal: AbortSignal): unknown {
  return isDiskError(error) ? error : connectionError(error, host, signal);
}

/** The reply must be of the range asked for, of a file of the known size, in the version begun with. */
function checkReply(reply: Reply, { start }: ByteRange, probed: Probed, { what, url }: Ask): void {
  const { host } = new URL(url);
  if (!probed.takesRanges) return;
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(reply.header("content-range") ?? "") ?? [];
  if (reply.status !== 206 || Number(first) !== start) {
    throw new TransferError(`${host} does not answer with the part of ${what} that was asked for`, {
      isTransient: true,
    });
  }
  const isOther = total !== "*" && Number(total) !== probed.sizeBytes;
  if (isOther || (probed.version !== "" && versionOf(reply) !== probed.version)) {
    throw new ModelFailure(`${what} changed on ${host} while it was being downloaded; run the same command again`);
  }
}

function pieceBytesFor(sizeBytes: number, connections: number): number {
  const even = Math.ceil(sizeBytes / (connections * PIECES_PER_CONNECTION));
  return Math.min(MAX_PIECE_BYTES, Math.max(MIN_PIECE_BYTES, even));
}

async function hashOf(part: PartFile, { progress, signal }: DownloadOptions): Promise<string> {
  const hash = createHash("sha256");
  let read = 0;
  for await (const data of part.read(signal)) {
    hash.update(data);
    read += data.length;
    progress(read, "checking");
  }
  return hash.digest("hex");
}
