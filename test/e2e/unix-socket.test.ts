/** The server on a Unix socket, and the commands against it. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/files.ts";
import { startTinyServer, type TinyServer } from "../support/tiny-server.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const folder = temporaryFolder();
const path = join(folder.path, "continuo.sock");

let server: TinyServer;
beforeAll(async () => {
  server = await startTinyServer({ tiny: {} }, { args: ["--host", path, "--socket-mode", "0660"] });
});
afterAll(async () => {
  await server?.stop();
  folder.remove();
});

async function complete(socketPath: string, headers: Record<string, string> = {}) {
  const sent = request({ socketPath, path: "/v1/completions", method: "POST", headers });
  sent.end(JSON.stringify({ model: "tiny", prompt: "def add(a, b):", max_tokens: 4 }));
  const [response] = (await once(sent, "response")) as [IncomingMessage];
  return { status: response.statusCode, body: await text(response) };
}

async function run(...args: string[]): Promise<string> {
  return (await promisify(execFile)(process.execPath, [PROGRAM, ...args])).stdout;
}

test("answers without a key, whatever name the client makes up", async () => {
  expect(server.url).toBe(`unix:${path}`);
  expect(statSync(path).mode & 0o777).toBe(0o660);
  for (const host of ["localhost", "unix", "llm.example"]) expect((await complete(path, { host })).status).toBe(200);
});

test("refuses what a proxy passes on from a page of another site", async () => {
  expect((await complete(path, { origin: "https://evil.example" })).status).toBe(403);
});

test("`continuo complete` and `continuo doctor` find it", async () => {
  const text = await run("complete", "--url", server.url, "--prompt", "def add(a, b):", "--max-tokens", "4");
  const { findings } = JSON.parse(await run("doctor", "--host", path, "--json"));

  expect(text.length).toBeGreaterThan(0);
  expect(findings).toContainEqual(
    expect.objectContaining({ what: "socket", state: "ok", found: expect.stringContaining("is running on") }),
  );
});

test("a second server on the same socket is told so", async () => {
  await expect(run("serve", "--host", path, "--model", server.file)).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining(`cannot listen on ${path}: another server listens there`),
  });
});

test("with host names of its own it answers to those alone, and its end takes the socket away", async () => {
  const own = join(folder.path, "own.sock");
  const named = await startTinyServer({ tiny: {} }, { args: ["--host", own, "--allowed-host", "*.llm.example"] });

  expect((await complete(own, { host: "a.llm.example" })).status).toBe(200);
  expect((await complete(own, { host: "evil.example" })).status).toBe(403);
  expect(await named.stop()).toBe(0);
  expect(existsSync(own)).toBe(false);
});
