/**
 * Files that are no usable models: each is told in a clear error that names it, and costs the server nothing.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { familyOf, residentBytes } from "../../bench/processes.ts";
import { COMPLETIONS, get, post } from "../support/calls.ts";
import { temporaryFolder } from "../support/files.ts";
import { writeGguf } from "../support/gguf.ts";
import { type RunningServer, startServer } from "../support/server.ts";
import { qwen2Metadata, TINY_SHAPE, writeTinyModel } from "../support/tiny-model.ts";
import { tinyVocabulary } from "../support/tiny-vocabulary.ts";

const folder = temporaryFolder();
const whole = join(folder.path, "whole.gguf");
writeTinyModel(whole);
const bytes = readFileSync(whole);

/** Where the ten files end that were cut, as a part of the whole. */
const CUTS = [0, 0.000_005, 0.001, 0.01, 0.03, 0.1, 0.3, 0.6, 0.9, 0.999_999];

/** What each file is, and what its error has to say. */
const BROKEN: Readonly<Record<string, { readonly content: Buffer; readonly says: RegExp }>> = {
  ...Object.fromEntries(
    CUTS.map((part, index) => [
      `cut-${index}`,
      { content: bytes.subarray(0, Math.floor(part * bytes.length)), says: /fetch it again/ },
    ]),
  ),
  "wrong-magic": { content: changed(0, "ZIPF"), says: /begins with "GGUF", this one with "ZIPF"/ },
  "absurd-tensors": { content: changed(8, "\xff\xff\xff\xff\xff\xff\xff\x7f"), says: /tensors, more than its/ },
  "absurd-string": {
    content: changed(24, "\xff\xff\xff\xff\xff\xff\xff\x7f"),
    says: /more than its \d+ bytes can hold/,
  },
  "old-version": { content: changed(4, "\x01"), says: /GGUF version is 1, expected 2 or 3/ },
  "unknown-architecture": {
    content: Buffer.from(bytes.toString("latin1").replace("qwen2", "qwenX"), "latin1"),
    says: /architecture "qwenX" is unknown/,
  },
};
/** Its header is sound; only loading finds out. */
const LACKING = "lacks-tensors";

function changed(at: number, text: string): Buffer {
  const copy = Buffer.from(bytes);
  copy.write(text, at, "latin1");
  return copy;
}

let server: RunningServer;

beforeAll(async () => {
  for (const [name, { content }] of Object.entries(BROKEN)) writeFileSync(join(folder.path, `${name}.gguf`), content);
  const about = { name: LACKING, contextTokens: 512, endToken: "<|im_end|>", chatTemplate: null };
  writeGguf(join(folder.path, `${LACKING}.gguf`), qwen2Metadata(TINY_SHAPE, tinyVocabulary(), about), []);
  const names = [...Object.keys(BROKEN), LACKING];
  const models = ["whole", ...names].map((name) => `${name}=${join(folder.path, `${name}.gguf`)}`);
  server = await startServer({ models, args: ["--slots", "1", "--context", "512"] });
}, 120_000);

afterAll(async () => {
  await server?.stop();
  folder.remove();
});

const ask = (model: string) => post(server.url, COMPLETIONS, { model, prompt: "The ", max_tokens: 2 });

test.each(Object.entries(BROKEN))("%s: 503, with the file, what was found and what to do", async (name, { says }) => {
  const answer = await ask(name);

  expect(answer.status).toBe(503);
  expect(answer.json.error.message).toContain(join(folder.path, `${name}.gguf`));
  expect(answer.json.error.message).toMatch(says);
});

test("what only loading finds out is told as well", async () => {
  const answer = await ask(LACKING);

  expect(answer.status).toBe(503);
  expect(answer.json.error.message).toContain(join(folder.path, `${LACKING}.gguf`));
});

test("health names every broken file with its reason, and the server is ready for the others", async () => {
  const { json } = await get(server.url, "/health");
  const failed = json.engines.filter(({ state }: { readonly state: string }) => state === "failed");

  expect(failed.map(({ name }: { readonly name: string }) => name).sort()).toEqual(
    [...Object.keys(BROKEN), LACKING].sort(),
  );
  expect((await get(server.url, "/ready")).status).toBe(200);
});

test.runIf(process.platform === "linux")(
  "asking again and again leaves nothing behind",
  async () => {
    const openFiles = (): number => readdirSync(`/proc/${server.pid}/fd`).length;
    const round = async (): Promise<void> => {
      for (const name of Object.keys(BROKEN)) await ask(name);
    };
    for (let warmUp = 0; warmUp < 5; warmUp += 1) await round();
    const before = { files: openFiles(), resident: residentBytes([server.pid]) };
    for (let turn = 0; turn < 20; turn += 1) await round();

    expect(familyOf(server.pid)).toHaveLength(2); // the server, and the engine of the whole model
    expect(openFiles()).toBeLessThanOrEqual(before.files + 2);
    expect(residentBytes([server.pid]) - before.resident).toBeLessThan(32 << 20);
    expect((await ask("whole")).status).toBe(200);
  },
  120_000,
);
