import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../../../test/support/files.ts";
import { type MetadataValue, writeGguf } from "../../../../test/support/gguf.ts";
import { qwen2Metadata, TINY_SHAPE, writeTinyModel } from "../../../../test/support/tiny-model.ts";
import { tinyVocabulary } from "../../../../test/support/tiny-vocabulary.ts";
import { bindApi } from "../native/api.ts";
import { loadLibraries } from "../native/library.ts";
import { NativeModel } from "../native/model.ts";
import { readModelFile } from "./gguf-file.ts";
import { factsOfHeader } from "./header-facts.ts";

const folder = temporaryFolder();
afterAll(folder.remove);
const TINY = join(folder.path, "tiny.gguf");
writeTinyModel(TINY, { contextTokens: 4096 });

const reasonOf = (path: string): Promise<string> =>
  readModelFile(path).then(
    () => "it was read",
    (error: unknown) => String(error),
  );

test("the header alone tells what the library tells after loading", async () => {
  const api = bindApi(loadLibraries());
  api.logSet(api.isQuantizedSymbol, null); // says nothing
  const { facts } = await NativeModel.load(api, TINY, () => "");
  const header = factsOfHeader(await readModelFile(TINY));
  const { vocabularySize, trainedTokens, weightBytes, cacheBytesPerToken, controls, chatTemplate, sampling } = facts;

  expect(header).toMatchObject({
    vocabularySize,
    trainedTokens,
    weightBytes,
    cacheBytesPerToken,
    chatTemplate,
    sampling,
  });
  expect(header.controls).toEqual(controls);
});

test("a file that is not there, a folder, and a path that no file can have", async () => {
  const path = join(folder.path, "missing.gguf");

  expect(await reasonOf(path)).toContain(`the model file ${path} cannot be used: there is no such file`);
  mkdirSync(join(folder.path, "folder.gguf"));
  expect(await reasonOf(join(folder.path, "folder.gguf"))).toContain("it is not a file");
  expect(await reasonOf("a\0.gguf")).toContain("NUL");
});

test("an architecture that the library does not know is named", async () => {
  const path = join(folder.path, "future.gguf");
  writeGguf(
    path,
    new Map<string, MetadataValue>([["general.architecture", { type: "string", value: "hyperqwen9" }]]),
    [],
  );

  expect(await reasonOf(path)).toContain(`${path} cannot be used: its architecture "hyperqwen9" is unknown`);
});

test("a header longer than the first look is read to its end", async () => {
  const path = join(folder.path, "long.gguf");
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", { type: "string", value: "qwen2" }],
    ["filler", { type: "string", value: "x".repeat(6 << 20) }],
    ["qwen2.block_count", { type: "uint32", value: 7 }],
  ]);
  writeGguf(path, metadata, []);

  expect((await readModelFile(path)).header.number("qwen2.block_count")).toBe(7);
});

describe("a model in parts", () => {
  const about = { name: "parts", contextTokens: 128, endToken: "<|im_end|>", chatTemplate: null };

  /** Two parts with one tensor of 32 floats each, named as llama.cpp names them. */
  function writeParts(name: string): readonly string[] {
    return [0, 1].map((number) => {
      const path = join(folder.path, `${name}-0000${number + 1}-of-00002.gguf`);
      const split: [string, MetadataValue][] = [
        ["split.no", { type: "uint32", value: number }],
        ["split.count", { type: "uint32", value: 2 }],
      ];
      const first = number === 0 ? [...qwen2Metadata(TINY_SHAPE, tinyVocabulary(), about)] : [];
      const data = () => [new Uint8Array(128)];
      writeGguf(path, new Map([...first, ...split]), [{ name: `t${number}`, type: "F32", shape: [32], data }]);
      return path;
    });
  }

  test("is counted whole when its first part is named", async () => {
    const [first = ""] = writeParts("whole");

    expect(factsOfHeader(await readModelFile(first)).weightBytes).toBe(256);
  });

  test("is refused when a part is missing or cut, naming that part", async () => {
    const [first = "", second = ""] = writeParts("torn");
    const bytes = readFileSync(second);
    writeFileSync(second, bytes.subarray(0, bytes.length - 8));
    expect(await reasonOf(first)).toContain(`${second} cannot be used: its tensor "t1" should end at`);

    renameSync(second, `${second}.part`);
    expect(existsSync(second)).toBe(false);
    expect(await reasonOf(first)).toContain(`${second} cannot be used: the model lacks shard 2 of 2`);
  });

  test("is refused when another part, or a part under another name, is named", async () => {
    const [first = "", second = ""] = writeParts("named");
    expect(await reasonOf(second)).toContain(`it is not the first part; name ${first}`);

    const renamed = join(folder.path, "renamed.gguf");
    renameSync(first, renamed);
    expect(await reasonOf(renamed)).toContain("one of 2 parts, whose names should end in -00001-of-00002.gguf");
  });
});
