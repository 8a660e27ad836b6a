import { type FileHandle, open } from "node:fs/promises";
import { ServiceError } from "../../../errors.ts";
import { ARCHITECTURES } from "./architectures-3.21.1.ts";
import { type Gguf, GgufError, HeaderGoesOn, parseGguf } from "./gguf.ts";

/** A model on disk, found to be complete as far as its headers tell. */
export interface ModelFile {
  /** Of the file that was named: it has the metadata. */
  readonly header: Gguf;
  /** All tensors, those of further shards included. */
  readonly tensors: Gguf["tensors"];
}

/** Most headers are between 2 and 16 MiB: vocabulary and merges. */
const FIRST_READ_BYTES = 1 << 20;
/** Bounds what a damaged file can make us read. */
const MAX_HEADER_BYTES = 128 << 20;

/** As llama.cpp names the parts of a split model. */
const SHARD = /-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * Reads the headers of a model's files, not their weights.
 * Throws `model_unavailable` naming the file, what was expected and what to do.
 */
export async function readModelFile(path: string): Promise<ModelFile> {
  const header = await readHeader(path);
  const count = header.number("split.count") ?? 1;
  const further = count > 1 ? shardsAfter(path, header, count) : [];
  checkArchitecture(path, header);
  const others = await Promise.all(
    further.map((each, index) =>
      readHeader(each, `the model lacks shard ${index + 2} of ${count}; put it beside the others`),
    ),
  );
  return { header, tensors: [header, ...others].flatMap((each) => each.tensors) };
}

/**
 * Throws `model_unavailable` for what cannot be read or is no sound GGUF file.
 *
 * @param absent what it means that there is no such file
 */
async function readHeader(path: string, absent = "there is no such file; check the path"): Promise<Gguf> {
  if (path.includes("\0")) throw unusable(path, "the path holds a NUL character");
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    throw unusable(path, code === "ENOENT" ? absent : message, cause);
  }
  try {
    const status = await file.stat();
    if (!status.isFile()) throw unusable(path, "it is not a file; name a GGUF file");
    return await parseGrowing(file, status.size);
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw unusable(path, error instanceof Error ? error.message : String(error), error);
  } finally {
    await file.close();
  }
}

/** Where a header ends is known only from reading it. */
async function parseGrowing(file: FileHandle, fileBytes: number): Promise<Gguf> {
  let wanted = FIRST_READ_BYTES;
  for (;;) {
    const bytes = Buffer.alloc(Math.min(wanted, fileBytes));
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0);
    if (bytesRead < bytes.length) throw new GgufError("it became shorter while it was being read; is it being copied?");
    try {
      return parseGguf(bytes, fileBytes);
    } catch (error) {
      if (!(error instanceof HeaderGoesOn)) throw error;
      if (error.bytes > MAX_HEADER_BYTES) {
        throw new GgufError(`its header is longer than ${MAX_HEADER_BYTES} bytes; it is damaged, fetch it again`);
      }
      wanted = Math.min(Math.max(error.bytes, 4 * wanted), MAX_HEADER_BYTES);
    }
  }
}

function checkArchitecture(path: string, header: Gguf): void {
  const architecture = header.text("general.architecture");
  if (architecture === undefined) {
    throw unusable(
      path,
      "it does not name an architecture (general.architecture); name a GGUF file of a language model",
    );
  }
  if (ARCHITECTURES.has(architecture)) return;
  throw unusable(
    path,
    `its architecture "${architecture}" is unknown to the embedded engine; use another model, or update Continuo`,
  );
}

/** The other parts, in order. Their metadata is in the first, so the first is the one to name. */
function shardsAfter(path: string, header: Gguf, count: number): string[] {
  const numbered = SHARD.exec(path);
  if (numbered === null) {
    throw unusable(
      path,
      `it is one of ${count} parts, whose names should end in -00001-of-${padded(count)}.gguf; name it so again`,
    );
  }
  const nameOf = (part: number): string => path.replace(SHARD, `-${padded(part)}-of-${numbered[2]}.gguf`);
  if ((header.number("split.no") ?? 0) !== 0 || Number(numbered[1]) !== 1) {
    throw unusable(path, `it is not the first part; name ${nameOf(1)}`);
  }
  return Array.from({ length: count - 1 }, (_, index) => nameOf(index + 2));
}

function padded(part: number): string {
  return String(part).padStart(5, "0");
}

function unusable(path: string, reason: string, cause?: unknown): ServiceError {
  return new ServiceError("model_unavailable", `the model file ${path} cannot be used: ${reason}`, { cause });
}
