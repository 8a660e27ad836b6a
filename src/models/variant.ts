/** What of a repository is one set of weights: a GGUF file or its shards, in one quantisation. */
import type { RemoteFile } from "./hub.ts";

export interface Variant {
  /** File name without quantisation, shard number and `.gguf`. */
  readonly base: string;
  /** In lower case, such as `q4_k_m`; absent where the file name tells none. */
  readonly quantization?: string;
  /** One file, or all shards in order. */
  readonly files: readonly RemoteFile[];
  /** Of all files; undefined when one is unknown. */
  readonly sizeBytes?: number;
}

/** Parts of the name of a GGUF file. */
export interface GgufName {
  readonly base: string;
  readonly quantization?: string;
  readonly shard?: { readonly number: number; readonly count: number };
}

// Behind a separator and at the end: q4_k_m, iq4_xs, ud-q4_k_xl, mxfp4, bf16, fp16.
const QUANTIZATION = /[-._]((?:ud-)?(?:i?q\d\w*|t?q\d_\d|bf16|fp?16|fp?32|mxfp4(?:_\w+)?))$/i;
const SHARD = /-(\d{5})-of-(\d{5})$/;

/** Undefined for what is no GGUF file. @param path of the repository; folders do not matter */
export function ggufName(path: string): GgufName | undefined {
  const file = path.split("/").at(-1) ?? path;
  if (!/\.gguf$/i.test(file)) return undefined;
  const stem = file.replace(/\.gguf$/i, "");
  const [, number, count] = SHARD.exec(stem) ?? [];
  const whole = stem.replace(SHARD, "");
  const quantization = QUANTIZATION.exec(whole)?.[1]?.toLowerCase();
  return {
    base: quantization === undefined ? whole : whole.slice(0, -quantization.length - 1),
    ...(quantization !== undefined && { quantization }),
    ...(number !== undefined && count !== undefined && { shard: { number: Number(number), count: Number(count) } }),
  };
}

/**
 * Every complete set of weights, smallest first. Of a quantisation in one file and in shards, the one file counts.
 * Projectors and importance matrices, which lie beside weights, are none.
 */
export function variantsOf(files: readonly RemoteFile[]): readonly Variant[] {
  const complete = groupsOf(files).filter(isComplete);
  const single = complete.filter(({ name }) => name.shard === undefined);
  const chosen = complete.filter(
    ({ name }) =>
      name.shard === undefined ||
      !single.some((one) => one.name.base === name.base && one.name.quantization === name.quantization),
  );
  return chosen.map(variantFrom).sort((a, b) => (a.sizeBytes ?? 0) - (b.sizeBytes ?? 0));
}

interface Group {
  readonly name: GgufName;
  readonly files: readonly RemoteFile[];
}

/** Files that are one set of weights, or what is there of one. */
function groupsOf(files: readonly RemoteFile[]): readonly Group[] {
  const groups = new Map<string, { readonly name: GgufName; readonly files: RemoteFile[] }>();
  for (const file of files) {
    const name = ggufName(file.path);
    if (name === undefined || isCompanion(file.path)) continue;
    // Shards of one set stand in one folder and agree in everything but their number.
    const folder = file.path.slice(0, file.path.lastIndexOf("/") + 1);
    const key = [folder, name.base, name.quantization ?? "", name.shard?.count ?? 0].join("\n");
    const group = groups.get(key) ?? { name, files: [] };
    group.files.push(file);
    groups.set(key, group);
  }
  return [...groups.values()];
}

/** Every file that belongs to it, and no two for the same place. */
function isComplete({ name, files }: Group): boolean {
  return files.length === (name.shard?.count ?? 1) && missingShards(name, files).length === 0;
}

/** Numbers of the shards that a set should have and has not. */
function missingShards({ shard }: GgufName, files: readonly RemoteFile[]): readonly number[] {
  if (shard === undefined) return [];
  const there = new Set(files.map(({ path }) => ggufName(path)?.shard?.number));
  return Array.from({ length: shard.count }, (_, index) => index + 1).filter((number) => !there.has(number));
}

/** Numbers of missing shards that are worth reading in one message. */
const MAX_NAMED = 8;

/** Sets of shards that are not complete, each as `m-q8_0 lacks shard 2 of 3`. */
export function gapsIn(files: readonly RemoteFile[]): readonly string[] {
  return groupsOf(files).flatMap(({ name, files: shards }) => {
    const missing = missingShards(name, shards);
    if (missing.length === 0) return [];
    const set = [name.base, ...(name.quantization === undefined ? [] : [name.quantization])].join("-");
    const rest = missing.length - MAX_NAMED;
    const numbers = `${missing.slice(0, MAX_NAMED).join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
    return [`${set} lacks shard${missing.length === 1 ? "" : "s"} ${numbers} of ${name.shard?.count}`];
  });
}

/** The variant a file belongs to: all shards of one shard. */
export function variantWithFile(files: readonly RemoteFile[], wanted: string): Variant | undefined {
  const matches = (path: string): boolean => path === wanted || path.split("/").at(-1) === wanted;
  const file = files.find(({ path }) => path === wanted) ?? files.find(({ path }) => matches(path));
  if (file === undefined) return undefined;
  const name = ggufName(file.path);
  if (name === undefined) return undefined;
  if (name.shard === undefined) return variantFrom({ name, files: [file] });
  const { count } = name.shard;
  const sameSet = file.path.replace(/-\d{5}-of-\d{5}\.gguf$/i, "");
  const shards = files.filter(({ path }) => {
    const other = ggufName(path);
    return other?.shard?.count === count && path.replace(/-\d{5}-of-\d{5}\.gguf$/i, "") === sameSet;
  });
  const group = { name, files: shards };
  return isComplete(group) ? variantFrom(group) : undefined;
}

function variantFrom({ name, files }: { readonly name: GgufName; readonly files: readonly RemoteFile[] }): Variant {
  const sizes = files.map(({ sizeBytes }) => sizeBytes);
  const known = sizes.filter((size) => size !== undefined);
  return {
    base: name.base,
    ...(name.quantization !== undefined && { quantization: name.quantization }),
    files: [...files].sort((a, b) => (a.path < b.path ? -1 : 1)),
    ...(known.length === sizes.length && { sizeBytes: known.reduce((sum, size) => sum + size, 0) }),
  };
}

function isCompanion(path: string): boolean {
  return /(^|[/._-])(mmproj|imatrix)([._-]|$)/i.test(path);
}
