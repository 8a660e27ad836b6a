import { existsSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../test/support/files.ts";
import { makeFolder, probeFolder } from "./folder.ts";

function folder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

test("makes a folder with those above it, and leaves one that is there as it is", async () => {
  const path = join(folder(), "a", "b", "c");

  const made = await makeFolder(path);
  const again = await makeFolder(path);

  expect(statSync(path).isDirectory()).toBe(true);
  expect(made.map((each) => each.slice(-1))).toEqual(["a", "b", "c"]);
  expect(again).toEqual([]);
});

test("several calls at the same time make one folder", async () => {
  const path = join(folder(), "a", "b");

  const made = await Promise.all([makeFolder(path), makeFolder(path), makeFolder(path)]);

  expect(made.flat().toSorted()).toEqual([join(path, ".."), path].map((each) => join(each)));
});

test.runIf(existsSync("/proc/self"))("a folder that the system refuses to make ends the attempt", async () => {
  await expect(makeFolder("/proc/nope/data")).rejects.toMatchObject({
    name: "FolderFailure",
    message: expect.stringContaining("the folder /proc/nope cannot be made (ENOENT"),
  });
});

test("a symbolic link to nowhere is named with its target, at the end of the path and inside it", async () => {
  const link = join(folder(), "link");
  symlinkSync("/nowhere/at/all", link);

  for (const path of [link, join(link, "data")]) {
    await expect(makeFolder(path)).rejects.toThrow(
      `${link} is a symbolic link to /nowhere/at/all, which does not exist`,
    );
  }
});

test("a symbolic link to a folder is a folder", async () => {
  const root = folder();
  mkdirSync(join(root, "there"));
  symlinkSync(join(root, "there"), join(root, "link"));

  await makeFolder(join(root, "link", "data"));

  expect(readdirSync(join(root, "there"))).toEqual(["data"]);
});

test("a file in the way is named", async () => {
  const file = join(folder(), "file");
  writeFileSync(file, "");

  for (const path of [file, join(file, "a", "b")]) {
    await expect(makeFolder(path)).rejects.toThrow(`${file} is a file, and a folder is needed there`);
  }
});

test("a probe leaves nothing behind, neither a file nor a folder", async () => {
  const root = folder();

  await probeFolder(join(root, "a", "b"));
  await probeFolder(root);

  expect(readdirSync(root)).toEqual([]);
});

test("a probe keeps a folder that was there, with what is in it", async () => {
  const root = folder();
  mkdirSync(join(root, "a"));
  writeFileSync(join(root, "a", "kept"), "");

  await probeFolder(join(root, "a"));

  expect(readdirSync(join(root, "a"))).toEqual(["kept"]);
});
