import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { sha256 } from "../../test/support/hub-server.ts";
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
import { ModelFailure } from "./failure.ts";
import { takeLock } from "./lock.ts";

const { folder, hub } = pulling();

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
