import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import Fastify, { type FastifyInstance } from "fastify";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../test/support/files.ts";
import { listen } from "./listen.ts";

function socketPath(): string {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  return join(folder.path, "x.sock");
}

/** A service that answers with its name. */
function named(name: string): FastifyInstance {
  const app = Fastify();
  app.get("/", () => name);
  onTestFinished(() => app.close());
  return app;
}

const at = (host: string, socketMode = 0o600) => ({ host, port: 0, socketMode });

/** What answers there; undefined: nobody. */
function answerAt(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    request({ socketPath: path, path: "/" }, (response) => resolve(text(response)))
      .once("error", () => resolve(undefined))
      .end();
  });
}

/** The socket of a process that was killed. */
async function leftBehind(): Promise<string> {
  const path = socketPath();
  const source = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("up"))`;
  const child = spawn(process.execPath, ["-e", source], { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGKILL");
  await once(child, "exit");
  return path;
}

test("an address has a URL with the port it got", async () => {
  const url = await listen(named("tcp"), at("127.0.0.1"));

  expect(await (await fetch(url)).text()).toBe("tcp");
});

describe("a Unix socket", () => {
  test.each([0o600, 0o660, 0o666])("has the permissions %o, whatever the umask", async (mode) => {
    const path = socketPath();
    const before = process.umask(0o027);
    onTestFinished(() => void process.umask(before));

    expect(await listen(named("a"), at(path, mode))).toBe(`unix:${path}`);

    expect(statSync(path).mode & 0o777).toBe(mode);
    expect(process.umask()).toBe(0o027);
    expect(await answerAt(path)).toBe("a");
  });

  test("is gone when its server has closed, and so is the lock", async () => {
    const path = socketPath();
    const app = named("a");
    await listen(app, at(path));
    expect(existsSync(path)).toBe(true);

    await app.close();

    expect([existsSync(path), existsSync(`${path}.lock`)]).toEqual([false, false]);
  });

  test("of a server that was killed is replaced", async () => {
    const path = await leftBehind();
    expect(existsSync(path)).toBe(true);

    await listen(named("next"), at(path));

    expect(await answerAt(path)).toBe("next");
  });

  test("of a server that lives is left alone", async () => {
    const path = socketPath();
    await listen(named("first"), at(path));

    await expect(listen(named("second"), at(path))).rejects.toMatchObject({ code: "EADDRINUSE" });

    expect(await answerAt(path)).toBe("first");
  });

  test("that was left behind goes to one of those who want it at the same time", async () => {
    const path = await leftBehind();

    const results = await Promise.allSettled(["a", "b", "c"].map((name) => listen(named(name), at(path))));

    expect(results.map(({ status }) => status).toSorted()).toEqual(["fulfilled", "rejected", "rejected"]);
    expect(await answerAt(path)).toBe("abc"[results.findIndex(({ status }) => status === "fulfilled")]);
  });

  test("does not take the place of another file", async () => {
    const path = socketPath();
    writeFileSync(path, "mine");

    await expect(listen(named("a"), at(path))).rejects.toMatchObject({ code: "ENOTSOCK" });

    expect(readFileSync(path, "utf8")).toBe("mine");
  });

  test("needs its folder", async () => {
    await expect(listen(named("a"), at(`${socketPath()}/below.sock`))).rejects.toMatchObject({ code: "ENOENT" });
  });
});
