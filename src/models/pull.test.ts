import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import {
  COMMIT,
  type Fault,
  type HubOptions,
  type HubServer,
  sha256,
  startHubServer,
} from "../../test/support/hub-server.ts";
import { fakeGguf, type Puller, puller } from "../../test/support/pulling.ts";
import { ModelFailure } from "./failure.ts";
import { takeLock } from "./lock.ts";

const CONTENT = fakeGguf(600_000);
const REPOSITORY = "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF";
const NAME = "qwen2.5-coder-0.5b-instruct";
const FILE = `${NAME}-q8_0.gguf`;

let folder: ReturnType<typeof temporaryFolder>;
const servers: HubServer[] = [];

beforeEach(() => {
  folder = temporaryFolder();
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
  folder.remove();
});

async function hub(options: Partial<HubOptions> = {}): Promise<HubServer> {
  const server = await startHubServer({
    repositories: { [REPOSITORY]: [{ path: FILE, content: CONTENT }] },
    ...options,
  });
  servers.push(server);
  return server;
}

function inOrder(...faults: readonly (Fault | undefined)[]): NonNullable<HubOptions["fault"]> {
  // The first request looks at the first bytes only.
  return ({ index }) => (index === 0 ? undefined : faults[index - 1]);
}

async function failure(work: Promise<unknown>): Promise<ModelFailure> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(ModelFailure);
  return error as ModelFailure;
}

function filesOf({ store }: Puller, name = NAME): string[] {
  return existsSync(store.folder(name)) ? readdirSync(store.folder(name)).sort() : [];
}

describe.each(["hf", "ms"] as const)("a model from %s", (preferred) => {
  test("is whole, listed with all that is known of it, and leaves nothing else behind", async () => {
    const here = puller(folder.path, await hub());

    const model = await here.pull(NAME, { preferred });

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    expect(model.manifest).toEqual({
      format: 1,
      name: NAME,
      reference: NAME,
      source: `${preferred}:${REPOSITORY}`,
      revision: preferred === "hf" ? COMMIT : "master",
      quantization: "q8_0",
      files: [{ name: FILE, sizeBytes: CONTENT.length, sha256: sha256(CONTENT), isChecked: true }],
      pulledAt: "1970-01-01T00:00:00.000Z",
    });
    expect(here.store.list()).toEqual([model]);
    expect(filesOf(here)).toEqual(["model.json", FILE]);
  });

  test("the token goes to the hub and never to the CDN it redirects to", async () => {
    const server = await hub({ token: "secret" });
    const env = { HF_TOKEN: "secret", MODELSCOPE_API_TOKEN: "secret" };

    await puller(folder.path, server, env).pull(NAME, { preferred });

    expect(server.asked.length).toBeGreaterThan(2);
    for (const { headers } of server.asked) expect(headers.authorization).toBe("Bearer secret");
    expect(server.content.length).toBeGreaterThan(1);
    for (const { headers } of server.content) expect(JSON.stringify(headers)).not.toContain("secret");
  });

  test("without the token the message names its variable", async () => {
    const server = await hub({ token: "secret" });

    const { message } = await failure(puller(folder.path, server).pull(NAME, { preferred }));

    expect(message).toMatch(preferred === "hf" ? /\(401\).*HF_TOKEN/ : /\(401\).*MODELSCOPE_API_TOKEN/);
    expect(message).toContain(preferred === "hf" ? "--hub ms" : "--hub hf");
  });
});

describe("getting through", () => {
  test("every byte is asked for once, over several connections", async () => {
    const server = await hub();

    await puller(folder.path, server).pull(NAME);

    const asked = server.content.slice(1).map(({ range }) => range ?? [0, 0]);
    expect(asked.length).toBeGreaterThan(4);
    expect(asked.reduce((sum, [first, last]) => sum + last - first + 1, 0)).toBe(CONTENT.length);
  });

  test("connections that are cut are resumed where they were cut", async () => {
    const server = await hub({ fault: ({ index }) => (index % 2 === 1 ? { cutAfter: 5000 + index } : undefined) });

    const model = await puller(folder.path, server).pull(NAME);

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    // A cut loses at most what was on its way.
    expect(server.sentBytes()).toBeLessThan(2 * CONTENT.length);
  });

  test("429 is waited out as long as the server asks, and said; 503 is tried again", async () => {
    const server = await hub({ fault: inOrder({ status: 429, headers: { "retry-after": "7" } }, { status: 503 }) });
    const here = puller(folder.path, server);

    const model = await here.pull(NAME, { connections: 1 });

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    expect(here.waits[0]).toBe(7000);
    expect(here.waits).toHaveLength(2);
    expect(here.said.join("\n")).toMatch(/429 \(too many requests\).*again in 7 s/);
  });

  test("a listing that fails for a moment is asked for again", async () => {
    const server = await hub({ hubFault: (_path, index) => (index === 0 ? { status: 502 } : undefined) });

    await expect(puller(folder.path, server).pull(NAME)).resolves.toBeDefined();
  });

  test("a server that ignores ranges sends the file in one piece, from the beginning after a cut", async () => {
    const server = await hub({
      fault: ({ index }) => ({ ignoresRange: true, ...(index === 1 && { cutAfter: 90_000 }) }),
    });

    const model = await puller(folder.path, server).pull(NAME);

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    expect(server.content).toHaveLength(3);
  });

  test("progress grows to the size of the model and ends with the checksum", async () => {
    const here = puller(folder.path, await hub());

    await here.pull(NAME);

    const downloading = here.progress.filter(({ doing }) => doing === "downloading").map(({ doneBytes }) => doneBytes);
    expect(downloading).toEqual([...downloading].sort((a, b) => a - b));
    expect(here.progress.at(-1)).toEqual({ doing: "checking", doneBytes: CONTENT.length, totalBytes: CONTENT.length });
  });

  test("what is chosen for the machine is explained, with its size", async () => {
    const files = ["q4_k_m", "q8_0"].map((each, index) => ({
      path: `${NAME}-${each}.gguf`,
      content: fakeGguf(100_000 * (index + 1), index + 1),
    }));
    const here = puller(folder.path, await hub({ repositories: { [REPOSITORY]: files } }));

    const model = await here.pull(NAME, { memoryBytes: 1_000_000 });

    expect(model.manifest.quantization).toBe("q4_k_m");
    expect(here.said).toEqual([
      `Pulling ${NAME} from hf:${REPOSITORY}.`,
      "q4_k_m (100 kB), chosen as the usual compromise of size and quality, which fits in this machine's 1.00 MB of memory. Another one: put :QUANTISATION behind the name.",
    ]);
  });

  test("listings in pages are read to the end, from the endpoint itself", async () => {
    const others = Array.from({ length: 7 }, (_, index) => ({ path: `note-${index}.txt`, content: Buffer.from("x") }));
    const server = await hub({
      repositories: { [REPOSITORY]: [...others, { path: FILE, content: CONTENT }] },
      pageFiles: 3,
    });

    await expect(puller(folder.path, server).pull(NAME)).resolves.toBeDefined();
    expect(server.asked.filter(({ path }) => path.includes("/tree/"))).toHaveLength(3);
  });
});

describe("stopping and going on", () => {
  test("what arrived is kept, and only the rest is fetched", async () => {
    const server = await hub({ fault: ({ range }) => (range?.[0] === 0 ? undefined : { stallAfter: 10_000 }) });
    const here = puller(folder.path, server);
    const stop = new AbortController();
    const stopped = failure(here.pull(NAME, { signal: stop.signal, connections: 2 }));
    await server.stalled();
    await server.stalled();

    stop.abort(new ModelFailure("stopped", "interrupted"));

    expect((await stopped).kind).toBe("interrupted");
    expect(filesOf(here)).toEqual([`${FILE}.part`, `${FILE}.part.json`]);
    expect(here.store.list()).toEqual([]);
    const next = await hub();
    const model = await puller(folder.path, next).pull(NAME);
    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    expect(next.sentBytes()).toBeLessThan(CONTENT.length - 20_000);
  });

  test("parts of another version are not mixed into this one", async () => {
    const old = fakeGguf(CONTENT.length, 2);
    const before = await hub({
      repositories: { [REPOSITORY]: [{ path: FILE, content: old }] },
      fault: ({ range }) => (range?.[0] === 0 ? undefined : { status: 404 }),
    });
    await failure(puller(folder.path, before).pull(NAME));

    const model = await puller(folder.path, await hub()).pull(NAME);

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
  });

  test("a record that claims bytes of a part that was tampered with is not believed", async () => {
    const here = puller(folder.path, await hub());
    await here.store.prepare(NAME);
    const claim = { reference: NAME, sizeBytes: CONTENT.length, version: sha256(CONTENT), done: [[0, CONTENT.length]] };
    writeFileSync(join(here.store.folder(NAME), `${FILE}.part.json`), JSON.stringify(claim));
    writeFileSync(join(here.store.folder(NAME), `${FILE}.part`), "short");

    const model = await here.pull(NAME);

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
  });

  test("a model that is here is not fetched again; one that changed on the hub is", async () => {
    const server = await hub();
    const here = puller(folder.path, server);
    await here.pull(NAME);
    const sent = server.sentBytes();
    await here.pull(NAME);
    expect(server.sentBytes()).toBe(sent);

    const changed = fakeGguf(500_000, 3);
    const model = await puller(
      folder.path,
      await hub({ repositories: { [REPOSITORY]: [{ path: FILE, content: changed }] } }),
    ).pull(NAME);

    expect(readFileSync(model.file).equals(changed)).toBe(true);
    expect(filesOf(here)).toEqual(["model.json", FILE]);
  });

  test("another quantisation takes the place of the one that is here", async () => {
    const other = fakeGguf(300_000, 4);
    const server = await hub({
      repositories: {
        [REPOSITORY]: [
          { path: FILE, content: CONTENT },
          { path: `${NAME}-q4_k_m.gguf`, content: other },
        ],
      },
    });
    const here = puller(folder.path, server);
    await here.pull(`${NAME}:q8_0`);

    const model = await here.pull(`${NAME}:Q4_K_M`);

    expect(readFileSync(model.file).equals(other)).toBe(true);
    expect(filesOf(here)).toEqual(["model.json", `${NAME}-q4_k_m.gguf`]);
  });

  test("while one process pulls, a second one is told so and changes nothing", async () => {
    const here = puller(folder.path, await hub());
    await here.store.prepare(NAME);
    const lock = await takeLock(here.store.lockFile(NAME));

    const { message } = await failure(here.pull(NAME));
    await lock?.release();

    expect(message).toMatch(/another `continuo pull` is bringing qwen2.5-coder-0.5b-instruct/);
    await expect(here.pull(NAME)).resolves.toBeDefined();
  });
});

describe("failing", () => {
  test("a wrong checksum discards what arrived and says both", async () => {
    const wrong = "a".repeat(64);
    const server = await hub({
      repositories: { [REPOSITORY]: [{ path: FILE, content: CONTENT, listed: { sha256: wrong } }] },
    });
    const here = puller(folder.path, server);

    const { message } = await failure(here.pull(NAME));

    expect(message).toContain(sha256(CONTENT));
    expect(message).toContain(wrong);
    expect(message).toContain("discarded");
    expect(filesOf(here)).toEqual([]);
  });

  test("a wrong size is found before anything is downloaded", async () => {
    const server = await hub({
      repositories: { [REPOSITORY]: [{ path: FILE, content: CONTENT, listed: { sizeBytes: 700_000 } }] },
    });

    const { message } = await failure(puller(folder.path, server).pull(NAME));

    expect(message).toMatch(/should have 700000 bytes.*has 600000/);
    expect(server.content).toHaveLength(1);
  });

  test("a web page in place of the file is seen at once", async () => {
    const page = Buffer.from("<!doctype html>".padEnd(CONTENT.length));
    const server = await hub({ fault: () => ({ content: page }) });

    const { message } = await failure(puller(folder.path, server).pull(NAME));

    expect(message).toMatch(/expected a GGUF file.*is a web page/);
    expect(server.content).toHaveLength(1);
  });

  test.each([
    [403, /does not give .* to us \(403\).*HF_TOKEN/],
    [404, /has no .* \(404\)/],
    [416, /fewer bytes/],
  ])("%i of the content is final", async (status, expected) => {
    const server = await hub({ fault: () => ({ status }) });

    expect((await failure(puller(folder.path, server).pull(NAME))).message).toMatch(expected);
    expect(server.content).toHaveLength(1);
  });

  test("an unknown repository says where else to look", async () => {
    const { message } = await failure(puller(folder.path, await hub({ repositories: {} })).pull(NAME));

    expect(message).toMatch(/has no repository Qwen\/Qwen2.5-Coder-0.5B-Instruct-GGUF \(404\).*--hub ms.*HF_ENDPOINT/);
  });

  test("a hub that does not answer is given up after four attempts, with the way around it", async () => {
    const here = puller(folder.path);

    const { message } = await failure(here.pull(NAME));

    expect(message).toMatch(/127\.0\.0\.1:1: nobody answers there; gave up after 4 attempts.*--hub ms.*HF_ENDPOINT/);
    expect(here.waits).toHaveLength(3);
    expect(here.store.names()).toEqual([]);
  });

  test("an endpoint that is no hub is named with its variable", async () => {
    const server = await hub({ hubFault: () => ({ status: 200, content: Buffer.from("hello") }) });

    const { message } = await failure(puller(folder.path, server).pull(NAME));

    expect(message).toMatch(/does not answer like Hugging Face; check HF_ENDPOINT/);
  });

  test("a disk that refuses to flush leaves no claim about bytes that may be lost", async () => {
    const here = puller(folder.path, await hub());
    const openFile = async (path: string, flags: number): Promise<FileHandle> => {
      const file = await open(path, flags);
      file.datasync = () => Promise.reject(Object.assign(new Error("EIO: i/o error, fdatasync"), { code: "EIO" }));
      return file;
    };

    const { message } = await failure(here.pull(NAME, { openFile }));

    expect(message).toMatch(/cannot be written \(EIO.*check the directory and its disk/);
    expect(filesOf(here)).toEqual([`${FILE}.part`]);
  });

  test("a disk that fills up keeps what arrived, and the same command goes on with it", async () => {
    const here = puller(folder.path, await hub());

    const { message } = await failure(here.pull(NAME, { openFile: fullAfter(200_000), connections: 1 }));

    expect(message).toMatch(/the disk is full; what arrived of .* is kept\. Free some space/);
    expect(here.store.leftovers()).toHaveLength(1);
    const server = await hub();
    const model = await puller(folder.path, server).pull(NAME);
    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    expect(server.sentBytes()).toBeLessThan(CONTENT.length - 150_000);
  });

  test("room that a part has taken already is not asked for again", async () => {
    const here = puller(folder.path, await hub());
    await failure(here.pull(NAME, { openFile: fullAfter(400_000), connections: 1 }));

    const model = await here.pull(NAME, { freeBytes: async () => 64 * 2 ** 20 + 300_000 });

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
  });

  test("too little room is found before anything is downloaded", async () => {
    const server = await hub();

    const { message } = await failure(puller(folder.path, server).pull(NAME, { freeBytes: async () => 1e6 }));

    expect(message).toMatch(/600 kB are still to come.*1\.00 MB free.*--data-dir/);
    expect(server.content).toEqual([]);
  });
});

/** A disk on which only so many bytes can be written. */
function fullAfter(bytes: number): (path: string, flags: number) => Promise<FileHandle> {
  return async (path, flags) => {
    const file = await open(path, flags);
    let left = bytes;
    const write = file.write.bind(file) as (...args: unknown[]) => Promise<{ bytesWritten: number }>;
    file.write = (async (data: Uint8Array, offset: number, length: number, position: number) => {
      if (left === 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      const written = await write(data, offset, Math.min(length, left), position);
      left -= written.bytesWritten;
      return written;
    }) as unknown as FileHandle["write"];
    return file;
  };
}

test("a directory that cannot be written is named", async () => {
  const taken = join(folder.path, "models");
  writeFileSync(taken, "a file where a directory should be");

  const { message } = await failure(puller(folder.path, await hub()).pull(NAME));

  expect(message).toContain(`${taken} cannot be written (`);
  expect(message).toContain("--data-dir");
});

test("what ModelScope says in place of a listing is passed on", async () => {
  const reply = Buffer.from('{"Code":10010205001,"Message":"record not found","Data":null}');
  const server = await hub({ hubFault: () => ({ status: 200, content: reply }) });

  const { message } = await failure(puller(folder.path, server).pull(NAME, { preferred: "ms" }));

  expect(message).toMatch(/ModelScope does not list Qwen\/.*: record not found\. Another hub may have it/);
});

describe("shards", () => {
  const shards = [1, 2, 3].map((number) => ({
    path: `gguf/big-model-q4_k_m-0000${number}-of-00003.gguf`,
    content: fakeGguf(150_000 + number, number),
  }));

  test("all of them are pulled, and the first is the one to load", async () => {
    const server = await hub({ repositories: { "some/Big-Model-GGUF": shards } });
    const here = puller(folder.path, server);

    const model = await here.pull("hf:some/Big-Model-GGUF");

    expect(model.manifest.name).toBe("big-model");
    expect(model.file).toBe(join(here.store.folder("big-model"), "big-model-q4_k_m-00001-of-00003.gguf"));
    for (const { path, content } of shards) {
      const name = path.split("/").at(-1) ?? "";
      expect(readFileSync(join(here.store.folder("big-model"), name)).equals(content)).toBe(true);
    }
    expect(here.progress.at(-1)?.doneBytes).toBe(450_006);
  });

  test("shards that are whole are not fetched again", async () => {
    const broken = await hub({
      repositories: { "some/Big-Model-GGUF": shards },
      fault: ({ path }) => (path.endsWith("00003-of-00003.gguf") ? { status: 404 } : undefined),
    });
    await failure(puller(folder.path, broken).pull("hf:some/Big-Model-GGUF"));
    const server = await hub({ repositories: { "some/Big-Model-GGUF": shards } });

    await puller(folder.path, server).pull("hf:some/Big-Model-GGUF");

    expect(new Set(server.content.map(({ path }) => path.slice(-19)))).toEqual(new Set(["00003-of-00003.gguf"]));
  });
});

describe("addresses and paths", () => {
  test("an address without a checksum is compared by size, and the manifest says so", async () => {
    const server = await hub();
    const [cdn] = [await addressOn(server)];

    const model = await puller(folder.path, server).pull(`${cdn}?signature=secret`);

    expect(readFileSync(model.file).equals(CONTENT)).toBe(true);
    expect(model.manifest.files[0]).toMatchObject({ isChecked: false, sha256: sha256(CONTENT) });
    expect(JSON.stringify(model.manifest)).not.toContain("secret");
  });

  test("the page of a file, copied from the browser, means the file", async () => {
    const server = await hub();

    const model = await puller(folder.path, server).pull(`${server.url}/${REPOSITORY}/blob/main/${FILE}`);

    expect(model.manifest).toMatchObject({ name: NAME, source: `hf:${REPOSITORY}`, revision: COMMIT });
  });

  test("a file of this machine is linked, and stays when its own name goes", async () => {
    const path = join(folder.path, "My Model.Q8_0.gguf");
    writeFileSync(path, CONTENT);
    const here = puller(join(folder.path, "data"));

    const model = await here.pull(path);

    expect(model.manifest).toMatchObject({ name: "my-model", quantization: "q8_0", source: path });
    expect(model.manifest.files[0]?.sha256).toBe(sha256(CONTENT));
    expect(statSync(model.file).ino).toBe(statSync(path).ino);
    await here.pull(path);
    expect(filesOf(here, "my-model")).toEqual(["My Model.Q8_0.gguf", "model.json"]);
  });

  test("a file that is no GGUF file is refused, and leaves nothing", async () => {
    const path = join(folder.path, "letter.gguf");
    writeFileSync(path, "Dear");
    const here = puller(join(folder.path, "data"));

    expect((await failure(here.pull(path))).message).toMatch(/expected a GGUF file, but .*letter\.gguf does not begin/);
    expect(here.store.names()).toEqual([]);
  });

  test("a shard without its others is refused by name", async () => {
    const path = join(folder.path, "m-00001-of-00002.gguf");
    writeFileSync(path, CONTENT);

    const { message } = await failure(puller(join(folder.path, "data")).pull(path));

    expect(message).toMatch(/m-00002-of-00002\.gguf is missing/);
  });
});

/** Where the CDN has the file. */
async function addressOn(server: HubServer): Promise<string> {
  const reply = await fetch(`${server.url}/${REPOSITORY}/resolve/main/${FILE}`, { redirect: "manual" });
  return reply.headers.get("location") ?? "";
}

describe("names", () => {
  test("a name that is taken by another source is refused, unless another name is given", async () => {
    const server = await hub({
      repositories: {
        [REPOSITORY]: [{ path: FILE, content: CONTENT }],
        "other/Repo": [{ path: FILE, content: fakeGguf(100_000, 5) }],
      },
    });
    const here = puller(folder.path, server);
    await here.pull(NAME);

    expect((await failure(here.pull("hf:other/Repo"))).message).toMatch(
      /is here already, from hf:Qwen.*--name.*continuo rm/,
    );
    const model = await here.pull("hf:other/Repo", { name: "theirs" });
    expect(model.manifest.name).toBe("theirs");
    expect(here.store.list().map(({ manifest }) => manifest.name)).toEqual([NAME, "theirs"]);
  });

  test.each(["../up", "", "a b", ".hidden", "x/y"])("%j is no name", async (name) => {
    expect((await failure(puller(folder.path).pull(NAME, { name }))).kind).toBe("usage");
  });
});
