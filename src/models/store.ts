/**
 * What is on disk: `DATA_DIR/models/NAME/` with the weights and `model.json`, which says what they are.
 *
 * The manifest is written last and removed first, so a model that is listed is whole.
 */
import { type Dirent, lstatSync, readdirSync, readFileSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { makeFolder } from "../folder.ts";
import { DRAFT_SUFFIX, writeWhole } from "./atomic.ts";
import { ModelFailure } from "./failure.ts";
import { isFileName } from "./file-name.ts";
import { BLOCK_BYTES, PART_SUFFIX, RECORD_SUFFIX } from "./part-file.ts";

const manifestSchema = z.object({
  format: z.literal(1),
  name: z.string(),
  /** What the person typed; pulling it again brings the model up to date. */
  reference: z.string(),
  /** Where it came from: `hf:owner/repo`, `ms:owner/repo`, an address or a path. */
  source: z.string(),
  /** Of the repository. */
  revision: z.string().optional(),
  quantization: z.string().optional(),
  /** The first is the one to load. */
  files: z
    .array(
      z.object({
        /** In the model's folder. */
        name: z.string().refine(isFileName),
        sizeBytes: z.int().min(0),
        sha256: z.string(),
        /** The hub named the same checksum; false: it named none. */
        isChecked: z.boolean(),
      }),
    )
    .min(1),
  /** ISO 8601, UTC. */
  pulledAt: z.string(),
});

export type Manifest = z.output<typeof manifestSchema>;

/** A whole model. */
export interface StoredModel {
  readonly manifest: Manifest;
  /** Absolute path of the file to load. */
  readonly file: string;
  /** Of all files. */
  readonly sizeBytes: number;
}

/** A file that is not whole yet. */
export interface Leftover {
  /** Name of the model. */
  readonly name: string;
  /** Path without `.part`. */
  readonly path: string;
  /** Bytes it takes on disk. */
  readonly sizeBytes: number;
}

/** A model that was whole once and is not any more. */
export interface Damaged {
  readonly name: string;
  /** Of the manifest's files, those that are missing or have another size. */
  readonly files: readonly string[];
}

/** Names that are folder names everywhere, and model names. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,119}$/;

export function isModelName(name: string): boolean {
  return NAME.test(name) && !name.endsWith(".");
}

const MANIFEST = "model.json";
const LOCK = ".lock";

export class ModelStore {
  /** Absolute path of the folder of all models; it need not exist. */
  readonly path: string;

  constructor(dataDir: string) {
    this.path = join(dataDir, "models");
  }

  /** Folder of one model. @param name must be a model name */
  folder(name: string): string {
    if (!isModelName(name)) throw new RangeError(`"${name}" is no model name`);
    return join(this.path, name);
  }

  lockFile(name: string): string {
    return join(this.folder(name), LOCK);
  }

  /** Whole models by name. Synchronous, because the configuration is read so; a manifest is a few hundred bytes. */
  list(): readonly StoredModel[] {
    return this.#folders().flatMap((name) => this.find(name) ?? []);
  }

  /** Undefined when there is no such model, or a file of it is missing or has another size. */
  find(name: string): StoredModel | undefined {
    const manifest = this.manifest(name);
    const [first] = manifest?.files ?? [];
    if (manifest === undefined || first === undefined || this.#lacking(manifest).length > 0) return undefined;
    const sizeBytes = manifest.files.reduce((sum, file) => sum + file.sizeBytes, 0);
    return { manifest, file: join(this.folder(name), first.name), sizeBytes };
  }

  /** Models that a manifest lists and whose files are not all as it says. */
  damaged(): readonly Damaged[] {
    return this.#folders().flatMap((name) => {
      const manifest = this.manifest(name);
      const files = manifest === undefined ? [] : this.#lacking(manifest);
      return files.length === 0 ? [] : [{ name, files }];
    });
  }

  /** What the manifest says, whether or not the files are there; undefined when there is none that can be read. */
  manifest(name: string): Manifest | undefined {
    if (!isModelName(name) || isLink(this.folder(name))) return undefined;
    try {
      const parsed = manifestSchema.safeParse(JSON.parse(readFileSync(join(this.folder(name), MANIFEST), "utf8")));
      return parsed.success && parsed.data.name === name ? parsed.data : undefined;
    } catch {
      return undefined; // none there, or not ours: such a folder is no model
    }
  }

  /** Names of all folders, models or not. */
  names(): readonly string[] {
    return this.#folders();
  }

  leftovers(): readonly Leftover[] {
    return this.#folders().flatMap((name) =>
      readdirSync(this.folder(name))
        .filter((file) => file.endsWith(PART_SUFFIX))
        .map((file) => {
          const part = join(this.folder(name), file);
          const size = lstatSync(part, { throwIfNoEntry: false });
          // Parts have holes where nothing has arrived: blocks say what they really take.
          return { name, path: part.slice(0, -PART_SUFFIX.length), sizeBytes: (size?.blocks ?? 0) * BLOCK_BYTES };
        }),
    );
  }

  /** Bytes that removing a model gives back: files that have another name elsewhere (imported ones) give none. */
  freedBytes(name: string): number {
    const folder = this.folder(name);
    return readdirSync(folder)
      .map((file) => lstatSync(join(folder, file), { throwIfNoEntry: false }))
      .reduce((sum, found) => sum + (found?.nlink === 1 ? found.blocks * BLOCK_BYTES : 0), 0);
  }

  /** Makes the folder of a model. Throws like `assertNoLinks`. */
  async prepare(name: string): Promise<void> {
    await makeFolder(this.folder(name));
    this.assertNoLinks(name);
  }

  /**
   * Symbolic links in the store are no models and no parts of one: what is written or removed through them lies
   * somewhere else. The folder of the store may be one.
   *
   * @returns their paths
   */
  links(): readonly string[] {
    return this.#entries()
      .flatMap((entry) => [join(this.path, entry.name), ...(entry.isDirectory() ? this.#within(entry.name) : [])])
      .filter(isLink);
  }

  /** Throws `ModelFailure` when the folder of a model, or something in it, is a symbolic link. */
  assertNoLinks(name: string): void {
    const folder = this.folder(name);
    const link = isLink(folder) ? folder : this.#within(name).find(isLink);
    if (link === undefined) return;
    throw new ModelFailure(
      `${link} is a symbolic link, and links in the store are neither followed nor removed; remove it, and to keep models elsewhere use --data-dir`,
    );
  }

  /** Lists the model from now on, and removes the files that the manifest before it had and this one has not. */
  async save(manifest: Manifest): Promise<void> {
    const folder = this.folder(manifest.name);
    const before = this.manifest(manifest.name)?.files ?? [];
    await writeWhole(join(folder, MANIFEST), `${JSON.stringify(manifest, undefined, 2)}\n`);
    const kept = new Set(manifest.files.map(({ name }) => name));
    for (const { name } of before) {
      // Windows keeps a file that a server has loaded; it goes with the model.
      if (!kept.has(name)) await rm(join(folder, name), { force: true }).catch(() => {});
    }
  }

  /** Removes a model and whatever is left of its downloads. */
  async remove(name: string): Promise<void> {
    await rm(join(this.folder(name), MANIFEST), { force: true });
    await rm(this.folder(name), { recursive: true, force: true });
  }

  async removeLeftover({ name, path }: Leftover): Promise<void> {
    for (const suffix of [RECORD_SUFFIX, `${RECORD_SUFFIX}${DRAFT_SUFFIX}`, PART_SUFFIX]) {
      await rm(`${path}${suffix}`, { force: true });
    }
    await this.forgetEmpty(name);
  }

  /** Removes the folder of a model of which nothing is there. */
  async forgetEmpty(name: string): Promise<void> {
    await rmdir(this.folder(name)).catch(() => {}); // something is there, and stays
  }

  #lacking({ name, files }: Manifest): readonly string[] {
    const isWhole = (file: Manifest["files"][number]): boolean => {
      const found = lstatSync(join(this.folder(name), file.name), { throwIfNoEntry: false });
      return found?.isFile() === true && found.size === file.sizeBytes;
    };
    return files.filter((file) => !isWhole(file)).map((file) => file.name);
  }

  /** Paths of what is in the folder of a model. */
  #within(name: string): readonly string[] {
    const folder = join(this.path, name);
    return readable(folder).map((entry) => join(folder, entry.name));
  }

  #folders(): readonly string[] {
    return this.#entries()
      .filter((entry) => entry.isDirectory() && isModelName(entry.name))
      .map(({ name }) => name)
      .sort();
  }

  #entries(): readonly Dirent[] {
    return readable(this.path);
  }
}

function isLink(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
  } catch {
    return false; // nothing can be looked at there: whoever goes on to use it says why
  }
}

/** Nothing where no folder is. A directory that cannot be read is something else, and must be said. */
function readable(path: string): readonly Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    const reason = error instanceof Error ? error.message : String(error);
    throw new ModelFailure(`${path} cannot be read (${reason}); check the directory, or take another with --data-dir`);
  }
}
