/** Which quantisation: the one that was named, or the one that suits the memory of the machine. */
import { sizeText } from "./bytes.ts";
import { ModelFailure } from "./failure.ts";
import type { RemoteFile } from "./hub.ts";
import { gapsIn, type Variant, variantsOf, variantWithFile } from "./variant.ts";

export interface Choice {
  readonly variant: Variant;
  /** A sentence why, without a full stop; absent when there was nothing to choose. */
  readonly reason?: string;
}

/** Best first. What is left out (other mixtures) is pulled when named. */
const BY_QUALITY = ["q8_0", "q6_k", "q5_k_m", "q5_0", "q4_k_m", "q4_k_s", "q4_0", "q3_k_m", "q2_k"] as const;

/** The usual compromise: above it weights cost speed and gain little, below it answers become visibly worse. */
const USUAL = "q4_k_m";

/** Precision above the usual one is worth its slower answers while weights are a small part of the memory. */
const GENEROUS_PART = 1 / 8;
/** Weights above this part of the memory leave too little for the cache of the slots, the system and other programs. */
const LARGEST_PART = 0.7;

/**
 * The variant to pull.
 *
 * @param pick a file name or a quantisation; absent: chosen for the memory
 * @param where the repository, for messages
 * @throws ModelFailure when nothing matches or fits, with what there is.
 */
export function chooseVariant(
  files: readonly RemoteFile[],
  pick: string | undefined,
  memoryBytes: number,
  where: string,
): Choice {
  if (pick !== undefined && /\.gguf$/i.test(pick)) return { variant: namedFile(files, pick, where) };
  const variants = variantsOf(files);
  const gaps = gapsIn(files);
  if (variants.length === 0 && gaps.length > 0) {
    throw new ModelFailure(`${where} is not complete: ${listed(gaps)}; pull another one, or ask whoever keeps it`);
  }
  if (variants.length === 0) {
    throw new ModelFailure(
      `${where} has no GGUF file; look for a conversion of it (such repositories usually end in -GGUF) and pull that`,
    );
  }
  if (pick !== undefined) return { variant: namedQuantization(variants, pick, where, gaps) };
  const bases = new Set(variants.map(({ base }) => base.toLowerCase()));
  if (bases.size > 1) {
    throw new ModelFailure(
      `${where} has several models; name one of its files: ${listed(variants.map(fileNameOf))}`,
      "usage",
    );
  }
  return forMemory(variants, memoryBytes, where);
}

function namedFile(files: readonly RemoteFile[], name: string, where: string): Variant {
  const variant = variantWithFile(files, name);
  if (variant !== undefined) return variant;
  const known = variantsOf(files).map(fileNameOf);
  const has = known.length === 0 ? "it has no complete GGUF file at all" : `it has ${listed(known)}`;
  throw new ModelFailure(
    `${where} has no file ${name}, or not all shards of it; ${has}${alsoLacking(gapsIn(files))}`,
    "usage",
  );
}

function namedQuantization(
  variants: readonly Variant[],
  name: string,
  where: string,
  gaps: readonly string[],
): Variant {
  const wanted = spelling(name);
  const found = variants.filter(({ quantization }) => quantization !== undefined && spelling(quantization) === wanted);
  const [first] = found;
  if (first === undefined) {
    throw new ModelFailure(
      `${where} has no quantisation ${name}; it has ${quantizations(variants)}${alsoLacking(gaps)}`,
      "usage",
    );
  }
  if (found.length > 1) {
    throw new ModelFailure(
      `${where} has ${name} of several models; name one of its files: ${listed(found.map(fileNameOf))}`,
      "usage",
    );
  }
  return first;
}

function forMemory(variants: readonly Variant[], memoryBytes: number, where: string): Choice {
  const [only] = variants;
  if (only !== undefined && variants.length === 1) return { variant: only };
  const ranked = BY_QUALITY.flatMap((quality) => variants.find(({ quantization }) => quantization === quality) ?? []);
  const candidates = ranked.length > 0 ? ranked : [...variants].reverse();
  const usual = candidates.findIndex(({ quantization }) => quantization === USUAL);
  const fits = (part: number) => (variant: Variant) => (variant.sizeBytes ?? 0) <= part * memoryBytes;
  const memory = `this machine's ${sizeText(memoryBytes)} of memory`;
  const generous = candidates.slice(0, Math.max(0, usual)).find(fits(GENEROUS_PART));
  if (generous !== undefined) {
    return { variant: generous, reason: `chosen because it is a small part of ${memory}` };
  }
  const fitting = candidates.slice(Math.max(0, usual)).find(fits(LARGEST_PART));
  if (fitting === undefined) {
    throw new ModelFailure(
      `no quantisation of ${where} fits in ${memory} with room to work in; pull a smaller model, or name one all the same: ${quantizations(variants)}`,
    );
  }
  if (fitting.quantization === USUAL) {
    return { variant: fitting, reason: `chosen as the usual compromise of size and quality, which fits in ${memory}` };
  }
  const bound = usual < 0 ? "" : ` below ${USUAL}`;
  return { variant: fitting, reason: `chosen as the best${bound} that fits in ${memory} with room to work in` };
}

function alsoLacking(gaps: readonly string[]): string {
  return gaps.length === 0 ? "" : `; of its shards, ${listed(gaps)}`;
}

/** `fp16` and `f16`, `Q4_K_M` and `q4-k-m` are the same. */
function spelling(quantization: string): string {
  return quantization
    .toLowerCase()
    .replaceAll("-", "_")
    .replace(/^fp(?=\d)/, "f");
}

function quantizations(variants: readonly Variant[]): string {
  return listed(
    variants.map(({ quantization = "unnamed", sizeBytes }) =>
      sizeBytes === undefined ? quantization : `${quantization} (${sizeText(sizeBytes)})`,
    ),
  );
}

function fileNameOf({ files }: Variant): string {
  return files[0]?.path ?? "";
}

/** At most this many are worth reading in one message. */
const MAX_LISTED = 12;

function listed(names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  return rest > 0 ? `${names.slice(0, MAX_LISTED).join(", ")} and ${rest} more` : names.join(", ");
}
