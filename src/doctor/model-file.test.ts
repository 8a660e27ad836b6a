import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { writeTinyModel } from "../../test/support/tiny-model.ts";
import { examineModel } from "./model-file.ts";

const GIBIBYTE = 2 ** 30;
const ROOMY = { memoryBytes: 16 * GIBIBYTE, availableBytes: 8 * GIBIBYTE };

let folder: ReturnType<typeof temporaryFolder>;
let file: string;

beforeAll(() => {
  folder = temporaryFolder();
  file = join(folder.path, "tiny.gguf");
  writeTinyModel(file);
});

afterAll(() => folder.remove());

function config(path: string) {
  return { name: "tiny", file: path, deterministic: false };
}

test("a sound file that fits is in order, and its memory is said", async () => {
  const finding = await examineModel(config(file), 4, ROOMY);

  expect(finding).toMatchObject({ what: "model tiny", state: "ok" });
  expect(finding.found).toMatch(/weights \d+ MiB, with 4 slots of 8192 tokens about \d+ MiB$/);
});

test("more than the machine has is a problem", async () => {
  const finding = await examineModel(config(file), 4, { memoryBytes: 2 ** 20, availableBytes: 2 ** 20 });

  expect(finding).toMatchObject({ state: "problem" });
});

test("more than is free now is a warning", async () => {
  const finding = await examineModel(config(file), 4, { ...ROOMY, availableBytes: 2 ** 20 });

  expect(finding).toMatchObject({ state: "warning" });
});

test.each([
  ["that is not there", (path: string) => path],
  [
    "that is no GGUF",
    (path: string) => {
      writeFileSync(path, "hello, this is text");
      return path;
    },
  ],
  [
    "that ends too early",
    (path: string) => {
      writeTinyModel(path);
      truncateSync(path, 100_000);
      return path;
    },
  ],
])("a file %s is a problem that names it", async (_name, prepare) => {
  const path = prepare(join(folder.path, "broken.gguf"));

  const finding = await examineModel(config(path), 4, ROOMY);

  expect(finding.state).toBe("problem");
  expect(finding.found).toContain(path);
});
