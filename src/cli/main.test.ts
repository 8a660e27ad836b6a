import { spawn } from "node:child_process";
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

/** Runs the program as a person would, without any setting of the surroundings. */
async function continuo(...args: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(CONTINUO_|npm_|NODE_OPTIONS)/.test(name)),
  );
  const nowhere = { ...env, CONTINUO_DATABASE: "memory" }; // what this machine's user keeps is no part of a test
  const child = spawn(process.execPath, ["--import", "tsx", MAIN, ...args], {
    env: nowhere,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const exit = new Promise<number | null>((resolve) => child.on("close", resolve));
  const [stdout, stderr, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { code, stdout, stderr };
}

// Starting Node with a loader takes seconds on a busy machine: one run per kind of ending, all at once.
test.concurrent.each([
  ["the version", ["--version"], 0, /^0\.1\.0\n$/, /^$/],
  ["help with examples", ["complete", "--help"], 0, /^Examples:$[\s\S]*\$ continuo complete src\/app\.py:12:5/m, /^$/],
  ["wrong usage", ["serve", "--prot", "1"], 2, /^$/, /unknown option '--prot'[\s\S]*Did you mean --port\?/],
  [
    "a configuration that cannot be used",
    ["serve", "--host", "0.0.0.0"],
    2,
    /^$/,
    /cannot be used\nhost: "0\.0\.0\.0" can be reached from other machines.*continuo keys create/,
  ],
  [
    "a failure",
    ["complete", "--prompt", "a", "--url", "http://127.0.0.1:1"],
    1,
    /^$/,
    /^continuo: no server answers at http:\/\/127\.0\.0\.1:1 /,
  ],
])("%s", async (_name, args, code, stdout, stderr) => {
  const result = await continuo(...args);

  expect(result.code).toBe(code);
  expect(result.stdout).toMatch(stdout);
  expect(result.stderr).toMatch(stderr);
});

test("a port that is taken is named, with what to do", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  const { port } = other.address() as AddressInfo;

  const result = await continuo("serve", "--port", String(port));
  other.close();

  expect(result.code).toBe(1);
  expect(result.stderr).toContain(`cannot listen on 127.0.0.1:${port}: another program listens there already`);
});
