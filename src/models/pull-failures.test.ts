import { readFileSync, writeFileSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../test/support/hub-server.ts";
import { CONTENT, FILE, failure, filesOf, NAME, puller, pulling, REPOSITORY } from "../../test/support/pulling.ts";

const { folder, hub } = pulling();

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

  expect(message).toContain(`${taken} is a file, and a folder is needed there`);
  expect(message).toContain("--data-dir");
});

test("what ModelScope says in place of a listing is passed on", async () => {
  const reply = Buffer.from('{"Code":10010205001,"Message":"record not found","Data":null}');
  const server = await hub({ hubFault: () => ({ status: 200, content: reply }) });

  const { message } = await failure(puller(folder.path, server).pull(NAME, { preferred: "ms" }));

  expect(message).toMatch(/ModelScope does not list Qwen\/.*: record not found\. Another hub may have it/);
});
