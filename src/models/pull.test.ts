import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { COMMIT, type Fault, type HubOptions, sha256 } from "../../test/support/hub-server.ts";
import {
  CONTENT,
  FILE,
  failure,
  fakeGguf,
  filesOf,
  NAME,
  puller,
  pulling,
  REPOSITORY,
} from "../../test/support/pulling.ts";

const { folder, hub } = pulling();

function inOrder(...faults: readonly (Fault | undefined)[]): NonNullable<HubOptions["fault"]> {
  // The first request looks at the first bytes only.
  return ({ index }) => (index === 0 ? undefined : faults[index - 1]);
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
