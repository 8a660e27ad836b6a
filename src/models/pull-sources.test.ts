import { lstatSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { COMMIT, type HubServer, sha256 } from "../../test/support/hub-server.ts";
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
import { smallDisk } from "../../test/support/small-disk.ts";

const { folder, hub } = pulling();

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

  test("a symbolic link brings the file it leads to, as caches of hubs have them", async () => {
    writeFileSync(join(folder.path, "blob"), CONTENT);
    const path = join(folder.path, "linked.gguf");
    symlinkSync("blob", path);

    const { file } = await puller(join(folder.path, "data")).pull(path);

    expect(lstatSync(file).isFile()).toBe(true);
    expect(readFileSync(file).equals(CONTENT)).toBe(true);
  });

  test("a path on another disk is copied, which is shown and can be stopped", async ({ skip }) => {
    const disk = smallDisk();
    if ("missing" in disk) return skip(disk.missing);
    onTestFinished(disk.remove);
    const path = join(disk.path, "far.gguf");
    writeFileSync(path, CONTENT);
    const here = puller(join(folder.path, "data"));
    const stop = new AbortController();
    const progress = () => stop.abort(new Error("stopped"));

    await expect(here.pull(path, { signal: stop.signal, progress })).rejects.toThrow("stopped");
    expect(here.store.names()).toEqual([]);
    const { file } = await here.pull(path);

    expect(readFileSync(file).equals(CONTENT)).toBe(true);
    expect(here.progress.find(({ doing }) => doing === "copying")).toMatchObject({ totalBytes: CONTENT.length });
  });

  test("a shard without its others is refused by name", async () => {
    const path = join(folder.path, "m-00001-of-00002.gguf");
    writeFileSync(path, CONTENT);

    const { message } = await failure(puller(join(folder.path, "data")).pull(path));

    expect(message).toMatch(/^the model lacks shard 2 of 2: there is no file .*m-00002-of-00002\.gguf; put it beside/);
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
