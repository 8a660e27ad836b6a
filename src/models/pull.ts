/** From what a person typed to a model on disk. */
import { basename, join } from "node:path";
import { sizeText } from "./bytes.ts";
import { chooseVariant } from "./choice.ts";
import { diskFailure } from "./disk-failure.ts";
import { ModelFailure } from "./failure.ts";
import { assertFileName } from "./file-name.ts";
import { accessAdvice, type HubId, jsonReader, otherHub, type RemoteFile } from "./hub.ts";
import { importFiles } from "./import.ts";
import { type Fetch, type FetchOptions, fetchFiles } from "./install.ts";
import { takeLock } from "./lock.ts";
import { probe } from "./probe.ts";
import { parseReference, type Reference, type ReferenceSurroundings } from "./reference.ts";
import { withRetries } from "./retry.ts";
import { isModelName, type Manifest, type StoredModel } from "./store.ts";
import { ggufName, type Variant } from "./variant.ts";

export interface PullOptions extends FetchOptions, ReferenceSurroundings {
  /** Name of the model; absent: the catalogue's, or that of the file. */
  readonly name?: string;
  /** What weights may be chosen for. */
  readonly memoryBytes: number;
}

export interface Pulled {
  readonly model: StoredModel;
  /** Nothing had to be fetched. */
  readonly wasThere: boolean;
}

/**
 * Brings a model to the disk, or up to date.
 *
 * @throws ModelFailure with what to do, or `signal.reason`. What arrived is kept, and the same call goes on with it.
 */
export async function pull(text: string, options: PullOptions): Promise<Pulled> {
  if (options.name !== undefined && !isModelName(options.name)) {
    throw new ModelFailure(
      `expected a name of letters, digits, "-", "_" and "." (at most 120), found "${options.name}"; choose another with --name`,
      "usage",
    );
  }
  try {
    return await pullReference(text, parseReference(text, options), options);
  } catch (error) {
    throw diskFailure(error, options.store.path);
  }
}

function pullReference(text: string, reference: Reference, options: PullOptions): Promise<Pulled> {
  switch (reference.kind) {
    case "file":
      return pullFile(text, reference.path, options);
    case "address":
      return pullAddress(text, reference.url, options);
    case "repository":
      return pullRepository(text, reference, options);
  }
}

async function pullRepository(
  text: string,
  reference: Extract<Reference, { kind: "repository" }>,
  options: PullOptions,
): Promise<Pulled> {
  const { hub, repository, catalogueName } = reference;
  const read = jsonReader(hub, repository, options.transport, options.signal);
  const listing = await withRetries(atFirst(options), () => hub.list(repository, reference.revision, read)).catch(
    (error) => {
      throw error instanceof ModelFailure && error.kind === "failed"
        ? new ModelFailure(`${error.message}${elsewhere(reference)}`)
        : error;
    },
  );
  const { variant, reason } = chooseVariant(listing.files, reference.pick, options.memoryBytes, repository);
  const { quantization } = variant;
  const name = options.name ?? catalogueName ?? nameFrom(variant.base);
  return install(name, text, `${hub.id}:${repository}`, options, {
    ...(quantization !== undefined && { quantization }),
    revision: listing.revision,
    ...(reason !== undefined && { reason: `${described(variant)}, ${reason}` }),
    files: variant.files,
    secrets: hub.secrets,
    accessAdvice: accessAdvice(hub),
  });
}

function described({ quantization, base, sizeBytes }: Variant): string {
  return `${quantization ?? base}${sizeBytes === undefined ? "" : ` (${sizeText(sizeBytes)})`}`;
}

/** Before anything has come from a host, a wrong name or a missing network is likelier than a passing trouble. */
function atFirst(options: PullOptions): PullOptions {
  return { ...options, patience: { ...options.patience, attempts: Math.min(4, options.patience.attempts) } };
}

/** Where else a person may look when a hub has not answered as hoped. */
function elsewhere({ hub, repository, catalogueName }: Extract<Reference, { kind: "repository" }>): string {
  const other: Readonly<Record<HubId, string>> = { hf: "Hugging Face", ms: "ModelScope" };
  const id = otherHub(hub.id);
  const mirror = `${hub.endpointVariable} chooses a mirror`;
  return catalogueName === undefined
    ? `. ${other[id]} may have it: ${id}:${repository}; ${mirror}`
    : `. Another hub may have it: add --hub ${id} for ${other[id]}; ${mirror}; or pull a conversion with hf:OWNER/REPOSITORY --name ${catalogueName}`;
}

async function pullAddress(text: string, url: URL, options: PullOptions): Promise<Pulled> {
  const path = basename(decoded(url.pathname) ?? "");
  const gguf = ggufName(path);
  if (gguf === undefined) {
    throw new ModelFailure(`expected the address of a .gguf file, found ${text}`, "usage");
  }
  const count = gguf.shard?.count ?? 1;
  const files: RemoteFile[] = [];
  for (let number = 1; number <= count; number += 1) {
    const address = new URL(url);
    if (gguf.shard !== undefined) address.pathname = withShard(url.pathname, number);
    const file = { path: gguf.shard === undefined ? path : withShard(path, number), url: address.href };
    const { sizeBytes } = await probe({ url: file.url, what: file.path }, file, atFirst(options));
    files.push({ ...file, sizeBytes });
  }
  // What follows the question mark may be a secret (signed addresses), and is worthless later anyway.
  const source = `${url.origin}${url.pathname}`;
  return install(options.name ?? nameFrom(gguf.base), source, source, options, {
    ...(gguf.quantization !== undefined && { quantization: gguf.quantization }),
    files,
    secrets: {},
    accessAdvice: "the address may have expired, or need a name and password that this program does not send",
  });
}

async function pullFile(text: string, path: string, options: PullOptions): Promise<Pulled> {
  const gguf = ggufName(path);
  if (gguf === undefined) throw new ModelFailure(`expected a .gguf file, found ${text}`, "usage");
  assertFileName(basename(path), "the path");
  const name = options.name ?? nameFrom(gguf.base);
  return exclusively(name, path, options, async () => {
    const files = await importFiles(path, gguf, options.store.folder(name), options);
    return saved(name, { reference: path, source: path, files, ...quantizationOf(gguf) }, options);
  });
}

function quantizationOf({ quantization }: { readonly quantization?: string }): { readonly quantization?: string } {
  return quantization === undefined ? {} : { quantization };
}

interface Plan extends Omit<Fetch, "folder" | "reference"> {
  readonly quantization?: string;
  readonly revision?: string;
  /** Why this quantisation. */
  readonly reason?: string;
}

async function install(
  name: string,
  reference: string,
  source: string,
  options: PullOptions,
  { quantization, revision, reason, ...what }: Plan,
): Promise<Pulled> {
  for (const { path } of what.files) for (const part of path.split("/")) assertFileName(part, source);
  return exclusively(name, source, options, async () => {
    const there = options.store.find(name);
    if (there !== undefined && isUpToDate(there.manifest, what.files)) return { model: there, wasThere: true };
    options.say(`Pulling ${name} from ${source}.`);
    if (reason !== undefined) options.say(`${reason}. Another one: put :QUANTISATION behind the name.`);
    const files = await fetchFiles({ ...what, folder: options.store.folder(name), reference }, options);
    const facts = {
      reference,
      source,
      files,
      ...quantizationOf({ ...(quantization !== undefined && { quantization }) }),
    };
    return saved(name, { ...facts, ...(revision !== undefined && { revision }) }, options);
  });
}

/** The same files, and no checksum that says otherwise. */
function isUpToDate({ files }: Manifest, listed: readonly RemoteFile[]): boolean {
  return (
    files.length === listed.length &&
    listed.every(({ path, sizeBytes, sha256 }, index) => {
      const file = files[index];
      if (file?.name !== basename(path) || file.sizeBytes !== sizeBytes) return false;
      return sha256 === undefined || file.sha256 === sha256;
    })
  );
}

/** Runs `work` while no other process writes into the model's folder. */
async function exclusively(
  name: string,
  source: string,
  { store }: PullOptions,
  work: () => Promise<Pulled>,
): Promise<Pulled> {
  await store.prepare(name);
  const lock = await takeLock(store.lockFile(name));
  if (lock === undefined) {
    throw new ModelFailure(
      `another \`continuo pull\` is bringing ${name} to the disk; wait until it is done, or stop it`,
    );
  }
  try {
    const there = store.manifest(name);
    if (there !== undefined && withoutHub(there.source) !== withoutHub(source)) {
      throw new ModelFailure(
        `${name} is here already, from ${there.source}; give the new one another name with --name, or remove the old one with \`continuo rm ${name}\``,
      );
    }
    return await work();
  } finally {
    await lock.release();
    await store.forgetEmpty(name);
  }
}

/** A repository is the same on both hubs. */
function withoutHub(source: string): string {
  return source.replace(/^(hf|ms):/, "");
}

async function saved(
  name: string,
  facts: Omit<Manifest, "format" | "name" | "pulledAt">,
  { store, now }: PullOptions,
): Promise<Pulled> {
  await store.save({ format: 1, name, ...facts, pulledAt: new Date(now()).toISOString() });
  const model = store.find(name);
  if (model === undefined) {
    throw new ModelFailure(
      `${join(store.path, name)} was changed by somebody else meanwhile; run the same command again`,
    );
  }
  return { model, wasThere: false };
}

/** Undefined for what is no encoded text. */
function decoded(path: string): string | undefined {
  try {
    return decodeURIComponent(path);
  } catch {
    return undefined; // a sign % that encodes nothing
  }
}

/** A model name of a file name, in lower case, so that official files have the names of the catalogue. */
function nameFrom(base: string): string {
  const name = base
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[^a-z0-9]+|\.+$/g, "");
  if (isModelName(name)) return name;
  throw new ModelFailure(`"${base}" makes no name for a model; give one with --name`, "usage");
}

function withShard(path: string, number: number): string {
  return path.replace(/-\d{5}(?=-of-\d{5}\.gguf$)/i, `-${String(number).padStart(5, "0")}`);
}
