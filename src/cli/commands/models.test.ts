import { existsSync, linkSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../test/support/files.ts";
import { catalogueFrom } from "../../config/catalogue.ts";
import { takeLock } from "../../models/lock.ts";
import { ModelStore } from "../../models/store.ts";
import { modelsText } from "./models.ts";
import { removeModels } from "./rm.ts";

let folder: ReturnType<typeof temporaryFolder>;
let store: ModelStore;

beforeEach(() => {
  folder = temporaryFolder();
  store = new ModelStore(folder.path);
});

afterEach(() => folder.remove());

async function put(name: string, sizeBytes: number, quantization?: string): Promise<string> {
  await store.prepare(name);
  const file = join(store.folder(name), `${name}.gguf`);
  writeFileSync(file, Buffer.alloc(sizeBytes, 1));
  await store.save({
    format: 1,
    name,
    reference: name,
    source: `hf:owner/${name}`,
    ...(quantization !== undefined && { quantization }),
    files: [{ name: `${name}.gguf`, sizeBytes, sha256: "0".repeat(64), isChecked: true }],
    pulledAt: "2025-11-22T05:00:00.000Z",
  });
  return file;
}

const catalogue = () => catalogueFrom({ "my-coder": { completions: true, partial: false, source: "our wiki" } });

function putPart(name: string, sizeBytes: number): void {
  mkdirSync(store.folder(name), { recursive: true });
  writeFileSync(join(store.folder(name), `${name}.gguf.part`), Buffer.alloc(sizeBytes, 1));
  writeFileSync(join(store.folder(name), `${name}.gguf.part.json`), "{}");
}

async function removed(names: readonly string[], flags = {}): Promise<string[]> {
  const said: string[] = [];
  await removeModels(store, names, flags, (line) => said.push(line));
  return said;
}

describe("the list", () => {
  test("of nothing says where it looked and what to do", () => {
    expect(modelsText(store, {}, undefined, catalogue)).toBe(
      `No models in ${store.path}; get one with \`continuo pull\`.\n`,
    );
    expect(JSON.parse(modelsText(store, { json: true }, undefined, catalogue))).toEqual({
      directory: store.path,
      models: [],
      incomplete: [],
      damaged: [],
      links: [],
    });
  });

  test("is a table, and names what is incomplete", async () => {
    const first = await put("coder", 1_500_000, "q4_k_m");
    const second = await put("a", 2000);
    putPart("slow", 8192);

    expect(modelsText(store, {}, undefined, catalogue).split("\n")).toEqual([
      "NAME   SIZE     QUANTISATION  SOURCE          FILE",
      `a      2.00 kB  -             hf:owner/a      ${second}`,
      `coder  1.50 MB  q4_k_m        hf:owner/coder  ${first}`,
      "incomplete: slow, 8.19 kB so far; pull it again to go on, or remove it with `continuo rm --parts`",
      "",
    ]);
  });

  test("has the model of the package behind those that were pulled, and says when nothing was", () => {
    const builtIn = { file: "/p/model/continuo-135m.gguf", sizeBytes: 90_000_000 };

    expect(modelsText(store, {}, builtIn, catalogue).split("\n")).toEqual([
      "NAME           SIZE     QUANTISATION  SOURCE       FILE",
      "continuo-135m  90.0 MB  -             the package  /p/model/continuo-135m.gguf",
      `No models in ${store.path}; get one with \`continuo pull\`.`,
      "",
    ]);
    expect(JSON.parse(modelsText(store, { json: true }, builtIn, catalogue))).toMatchObject({
      models: [],
      builtIn: { name: "continuo-135m", ...builtIn },
    });
  });

  test("for programs has everything", async () => {
    const file = await put("coder", 1000, "q8_0");
    putPart("slow", 4096);

    const { models, incomplete } = JSON.parse(modelsText(store, { json: true }, undefined, catalogue));

    expect(models).toEqual([{ ...store.manifest("coder"), file, sizeBytes: 1000 }]);
    expect(incomplete).toEqual([{ name: "slow", file: join(store.folder("slow"), "slow.gguf"), sizeBytes: 4096 }]);
  });

  test("leaves out what is not whole, and what is not ours", async () => {
    const file = await put("broken", 1000);
    writeFileSync(file, "short");
    await put("moved", 10);
    mkdirSync(join(store.path, "foreign"));
    writeFileSync(join(store.path, "foreign", "model.json"), '{"format":1,"name":"../../etc"}');

    expect(store.list().map(({ manifest }) => manifest.name)).toEqual(["moved"]);
  });

  test("says which models are damaged, and what they lack", async () => {
    const name = "big";
    await store.prepare(name);
    const files = [1, 2, 3].map((number) => `big-q8_0-0000${number}-of-00003.gguf`);
    for (const file of files) writeFileSync(join(store.folder(name), file), "1234");
    await store.save({
      ...{ format: 1, name, reference: name, source: "hf:owner/big", pulledAt: "2025-11-22T05:00:00.000Z" },
      files: files.map((file) => ({ name: file, sizeBytes: 4, sha256: "0".repeat(64), isChecked: true })),
    });
    rmSync(join(store.folder(name), files[1] ?? ""));

    expect(modelsText(store, {}, undefined, catalogue)).toContain(
      "damaged: big lacks shard 2 of 3 (big-q8_0-00002-of-00003.gguf); pull it again, or remove it with `continuo rm big`\n",
    );
    expect(JSON.parse(modelsText(store, { json: true }, undefined, catalogue)).damaged).toEqual([
      { name, files: [files[1]] },
    ]);
  });

  test("says which links it does not follow, and keeps names from steering the terminal", async () => {
    await put("real", 10);
    symlinkSync(store.folder("real"), join(store.path, "link"));
    const evil = join(store.path, "evil\u001b[31m\nno");
    symlinkSync("/nowhere", evil);

    expect(store.list().map(({ manifest }) => manifest.name)).toEqual(["real"]);
    expect(JSON.parse(modelsText(store, { json: true }, undefined, catalogue)).links.toSorted()).toEqual(
      [evil, join(store.path, "link")].toSorted(),
    );
    const text = modelsText(store, {}, undefined, catalogue);
    expect(text).toContain(`ignored: ${join(store.path, "link")} is a symbolic link`);
    expect(text).not.toContain("\u001b");
    expect(text).not.toContain("\nno");
  });

  test("of what can be pulled says what is here", async () => {
    await put("qwen2.5-7b-instruct", 10);

    const lines = modelsText(store, { available: true }, undefined, catalogue).trimEnd().split("\n");

    expect(lines.filter((line) => line.endsWith("  here"))).toEqual([expect.stringMatching(/^qwen2\.5-7b-instruct /)]);
    expect(lines).toContainEqual(expect.stringMatching(/^qwen3-8b +Qwen\/Qwen3-8B-GGUF/));
    expect(lines.some((line) => line.startsWith("qwen-plus"))).toBe(false);
  });

  test("of the catalogue has every name with its routes, limits and source", () => {
    const lines = modelsText(store, { catalogue: true }, undefined, catalogue).trimEnd().split("\n");
    const json = JSON.parse(modelsText(store, { catalogue: true, json: true }, undefined, catalogue));

    expect(lines.find((line) => line.startsWith("qwen-plus "))).toMatch(
      /^qwen-plus +no +yes +1000000 +997952 +32768 +https:.*partial-mode, 2025-02-27$/,
    );
    expect(lines.at(-1)).toMatch(/^my-coder +yes +no +- +- +- +our wiki$/);
    expect(json.catalogue.at(-1)).toEqual({
      ...{ name: "my-coder", aliases: [], completions: true, partial: false, defaults: {}, source: "our wiki" },
    });
  });
});

describe("removing", () => {
  test("gives back what the model took, and only that", async () => {
    await put("a", 100_000);
    await put("b", 1000);

    expect(await removed(["a"])).toEqual([expect.stringMatching(/^Removed a; 1\d\d kB freed\.$/)]);
    expect(readdirSync(store.path)).toEqual(["b"]);
  });

  test("a model whose file has another name elsewhere frees nothing", async () => {
    const file = await put("a", 100_000);
    linkSync(file, join(folder.path, "mine.gguf"));

    expect((await removed(["a"]))[0]).toMatch(/^Removed a; (4\.10 kB|0 bytes|\d+ bytes) freed\.$/);
    expect(existsSync(join(folder.path, "mine.gguf"))).toBe(true);
  });

  test("an unknown name removes nothing, and names the one that was meant", async () => {
    await put("coder", 10);

    await expect(removed(["coder", "codr"])).rejects.toMatchObject({
      kind: "usage",
      message: `there is no model codr in ${store.path}; did you mean coder?`,
    });
    await expect(removed(["../.."])).rejects.toMatchObject({ kind: "usage" });
    await expect(removed([])).rejects.toMatchObject({ kind: "usage" });
    expect(store.names()).toEqual(["coder"]);
  });

  test("a symbolic link is refused, and where it leads nothing is touched", async () => {
    const elsewhere = join(folder.path, "elsewhere");
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, "precious"), "");
    mkdirSync(store.path);
    symlinkSync(elsewhere, join(store.path, "link"));
    await put("holds", 10);
    symlinkSync(join(elsewhere, "precious"), join(store.folder("holds"), "holds.gguf.part"));

    for (const name of ["link", "holds"]) {
      await expect(removed([name])).rejects.toThrow(/is a symbolic link, and links in the store are neither followed/);
      await expect(store.prepare(name)).rejects.toThrow(/is a symbolic link, and links in the store are neither/);
    }
    expect(readdirSync(elsewhere)).toEqual(["precious"]);
  });

  test("the model of the package stays; one that was pulled under its name goes", async () => {
    await expect(removed(["continuo-135m"])).rejects.toMatchObject({
      kind: "usage",
      message: expect.stringContaining("continuo-135m is a part of the package and stays; `built_in: false`"),
    });

    await put("continuo-135m", 10);

    expect(await removed(["continuo-135m"])).toHaveLength(1);
  });

  test("parts go, and whole models stay", async () => {
    await put("a", 10);
    putPart("a", 4096);
    putPart("slow", 8192);

    expect(await removed([], { parts: true })).toEqual(["Removed 2 incomplete files; 12.3 kB freed."]);
    expect(store.names()).toEqual(["a"]);
    expect(readdirSync(store.folder("a")).sort()).toEqual(["a.gguf", "model.json"]);
    expect(await removed([], { parts: true })).toEqual([`No incomplete downloads in ${store.path}.`]);
  });

  test("what is being pulled stays", async () => {
    putPart("slow", 4096);
    const lock = await takeLock(store.lockFile("slow"));

    await expect(removed([], { parts: true })).rejects.toThrow(/slow is being pulled at this moment/);
    await expect(removed(["slow"])).rejects.toThrow(/slow is being pulled at this moment/);
    await lock?.release();
    expect(await removed(["slow"])).toHaveLength(1);
    expect(store.names()).toEqual([]);
  });
});
