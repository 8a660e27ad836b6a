import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { PartFile, readRecord } from "./part-file.ts";
import { missingRanges } from "./ranges.ts";

const CONTENT = Buffer.from("GGUF: thirty-two bytes of a file");
const OPTIONS = { identity: { sizeBytes: CONTENT.length, version: "v1" }, reference: "m" };
const never = new AbortController().signal;

let folder: ReturnType<typeof temporaryFolder>;
let path: string;

beforeEach(() => {
  folder = temporaryFolder();
  path = join(folder.path, "m.gguf");
});

afterEach(() => folder.remove());

async function contentOf(part: PartFile): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of part.read(never)) pieces.push(Buffer.from(piece));
  return Buffer.concat(pieces);
}

const piece = fc
  .tuple(fc.nat(CONTENT.length), fc.nat(CONTENT.length))
  .map(([a, b]) => [Math.min(a, b), Math.max(a, b)] as const);

test("written in any pieces, stopped at any moment and resumed, the file is the same", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(piece, { maxLength: 4 }), { maxLength: 4 }), async (runs) => {
      for (const pieces of runs) {
        const part = await PartFile.open(path, OPTIONS);
        for (const [start, end] of pieces) await part.write(CONTENT.subarray(start, end), start);
        await part.save();
        // Written and not recorded: a kill -9 may keep or lose it.
        await part.write(CONTENT.subarray(0, 3), 0);
        await part.close();
        for (const [start, end] of (await readRecord(path))?.done ?? []) {
          expect(readFileSync(`${path}.part`).subarray(start, end).equals(CONTENT.subarray(start, end))).toBe(true);
        }
      }
      const part = await PartFile.open(path, OPTIONS);
      for (const { start, end } of missingRanges(part.done, CONTENT.length)) {
        await part.write(CONTENT.subarray(start, end), start);
      }

      expect(await contentOf(part)).toEqual(CONTENT);
      await part.finish();
      expect(readFileSync(path)).toEqual(CONTENT);
    }),
    { numRuns: 40 },
  );
});

test.each([
  ["another version", { sizeBytes: CONTENT.length, version: "v2" }],
  ["another size", { sizeBytes: CONTENT.length + 1, version: "v1" }],
])("a part of %s starts over, and claims nothing", async (_name, identity) => {
  const part = await PartFile.open(path, OPTIONS);
  await part.write(CONTENT, 0);
  await part.save();
  await part.close();

  const other = await PartFile.open(path, { ...OPTIONS, identity });

  expect(other.done).toEqual([]);
  expect(await readRecord(path)).toBeUndefined();
  expect((await contentOf(other)).every((byte) => byte === 0)).toBe(true);
  await other.close();
});

test.each(["", "{}", '{"reference":"m","sizeBytes":32,"version":"v1","done":[[-1,32]]}', "\u0000\u0000"])(
  "a record that says %j is as good as none",
  async (record) => {
    writeFileSync(`${path}.part`, CONTENT);
    writeFileSync(`${path}.part.json`, record);

    const part = await PartFile.open(path, OPTIONS);

    expect(part.doneBytes).toBe(0);
    await part.close();
  },
);
