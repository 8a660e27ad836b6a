/** `pull` with everything around it that a test does not care about. */

import { existsSync, readdirSync, statSync } from "node:fs";
import { afterEach, beforeEach, expect } from "vitest";
import { catalogueFrom } from "../../src/config/catalogue.ts";
import { ModelFailure } from "../../src/models/failure.ts";
import { hubsFrom } from "../../src/models/hub.ts";
import type { Progress } from "../../src/models/install.ts";
import { type PullOptions, pull } from "../../src/models/pull.ts";
import { PATIENCE } from "../../src/models/retry.ts";
import { ModelStore, type StoredModel } from "../../src/models/store.ts";
import { Transport } from "../../src/models/transport.ts";
import { temporaryFolder } from "./files.ts";
import { type HubOptions, type HubServer, startHubServer } from "./hub-server.ts";
import { Random } from "./random.ts";

export interface Puller {
  readonly store: ModelStore;
  /** What was said, line by line. */
  readonly said: string[];
  readonly progress: Progress[];
  /** Waits that were asked for, milliseconds; they take no time. */
  readonly waits: number[];
  pull(text: string, over?: Partial<PullOptions>): Promise<StoredModel>;
}

/** @param server whose environment is used; absent: no hub answers */
export function puller(
  dataDir: string,
  server?: Pick<HubServer, "env">,
  env: Readonly<Record<string, string>> = {},
): Puller {
  const store = new ModelStore(dataDir);
  const said: string[] = [];
  const progress: Progress[] = [];
  const waits: number[] = [];
  const nowhere = { HF_ENDPOINT: "http://127.0.0.1:1", MODELSCOPE_ENDPOINT: "http://127.0.0.1:1" };
  return {
    store,
    said,
    progress,
    waits,
    pull: async (text, over = {}) => {
      const transport = new Transport();
      try {
        const { model } = await pull(text, {
          store,
          catalogue: catalogueFrom({}),
          transport,
          connections: 4,
          hubs: hubsFrom({ ...nowhere, ...server?.env, ...env }),
          preferred: "hf",
          memoryBytes: 16e9,
          patience: { ...PATIENCE, sleep: async (ms) => void waits.push(ms) },
          isFile: (path) => statSync(path, { throwIfNoEntry: false })?.isFile() === true,
          nearest: () => undefined,
          now: () => 0,
          progress: (each) => progress.push(each),
          say: (line) => said.push(line),
          signal: new AbortController().signal,
          ...over,
        });
        return model;
      } finally {
        await transport.close();
      }
    },
  };
}

/** A file that begins like a GGUF file; the rest is noise, different for every seed. */
export function fakeGguf(sizeBytes: number, seed = 1): Buffer {
  const random = new Random(seed);
  const content = Buffer.alloc(sizeBytes);
  for (let at = 0; at + 4 <= sizeBytes; at += 4) content.writeInt32LE(random.bits(), at);
  content.write("GGUF", 0, "latin1");
  return content;
}

/** What the catalogue calls the model that most tests pull, and the repository where it finds it. */
export const NAME = "qwen2.5-coder-0.5b-instruct";
export const REPOSITORY = "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF";

/** The repository's only file. */
export const FILE = `${NAME}-q8_0.gguf`;
export const CONTENT = fakeGguf(600_000);

/** An empty folder for each test of a file, and hubs that are closed after it; call it once, outside of tests. */
export function pulling() {
  let folder: ReturnType<typeof temporaryFolder>;
  const servers: HubServer[] = [];

  beforeEach(() => {
    folder = temporaryFolder();
  });

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close();
    folder.remove();
  });

  /** Has the one repository with the one file, unless said otherwise. */
  async function hub(options: Partial<HubOptions> = {}): Promise<HubServer> {
    const server = await startHubServer({
      repositories: { [REPOSITORY]: [{ path: FILE, content: CONTENT }] },
      ...options,
    });
    servers.push(server);
    return server;
  }

  return {
    folder: {
      /** Of the folder of the test that runs. */
      get path(): string {
        return folder.path;
      },
    },
    hub,
  };
}

/** What the work fails with. */
export async function failure(work: Promise<unknown>): Promise<ModelFailure> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelFailure);
  return error as ModelFailure;
}

/** Names of what is in the model's folder, sorted. */
export function filesOf({ store }: Puller, name = NAME): string[] {
  return existsSync(store.folder(name)) ? readdirSync(store.folder(name)).sort() : [];
}
