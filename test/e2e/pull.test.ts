/**
 * The program itself: a download that is cut and killed all the time ends with the right file, and the model serves in
 * the next run, when no hub can be reached any more.
 */
import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../support/files.ts";
import { type ContentRequest, type Fault, type HubServer, sha256, startHubServer } from "../support/hub-server.ts";
import { Random } from "../support/random.ts";
import { startServer } from "../support/server.ts";
import { writeTinyModel } from "../support/tiny-model.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const NAME = "qwen2.5-coder-0.5b-instruct";
const FILE = `${NAME}-q8_0.gguf`;
const CUTS = 20;
/** `pull` looks at so many bytes first, to see what they are. */
const LOOK_BYTES = 4;
const POLL_MS = 10;

let folder: ReturnType<typeof temporaryFolder>;
let content: Buffer;
let server: HubServer | undefined;

beforeAll(() => {
  folder = temporaryFolder();
  const path = join(folder.path, "tiny.gguf");
  writeTinyModel(path);
  content = readFileSync(path);
});

afterAll(async () => {
  await server?.close();
  folder.remove();
});

interface Run {
  kill(): void;
  interrupt(): void;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null; readonly said: string }>;
}

function continuo(args: readonly string[], env: Readonly<Record<string, string>>): Run {
  const surroundings = Object.entries(process.env).filter(([name]) => !/^(CONTINUO_|HF_|MODELSCOPE_|npm_)/.test(name));
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...Object.fromEntries(surroundings), ...env, CONTINUO_DATA_DIR: join(folder.path, "data") },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const exit = new Promise<[number | null, string | null]>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve([code, signal]));
  });
  return {
    kill: () => void child.kill("SIGKILL"),
    interrupt: () => void child.kill("SIGINT"),
    ended: Promise.all([exit, text(child.stderr)]).then(([[code, signal], said]) => ({ code, signal, said })),
  };
}

/** Looks again and again until it is so; the time limit of the test ends what never comes. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, POLL_MS));
}

function recordOf(part: string): string {
  return existsSync(`${part}.json`) ? readFileSync(`${part}.json`, "utf8") : "";
}

test("twenty random cuts and four kill -9 end with the right file, which then serves without the hub", async () => {
  const random = new Random(20_251_122);
  let cuts = 0;
  // Requests that pass before everything goes silent; a run that is to be killed must not come to its end.
  let passing = 0;
  let isLast = false;
  const fault = ({ range }: ContentRequest): Fault | undefined => {
    const length = range === undefined ? 0 : range[1] - range[0] + 1;
    if (length <= LOOK_BYTES) return undefined;
    if (!isLast) {
      passing -= 1;
      return passing < 0 ? { stallAfter: Math.floor((random.uniform() * length) / 4) } : undefined;
    }
    if (cuts >= CUTS) return undefined;
    cuts += 1;
    return { cutAfter: Math.floor(random.uniform() * length) };
  };
  const hub = await startHubServer({
    repositories: { "Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF": [{ path: FILE, content }] },
    fault,
  });
  server = hub;
  const part = join(folder.path, "data", "models", NAME, `${FILE}.part`);
  const finished = join(folder.path, "data", "models", NAME, FILE);

  // Killed when something has been recorded, twice; and at any moment of the transfer, twice.
  for (const isRecorded of [true, false, true, false]) {
    passing = 1;
    const recordBefore = recordOf(part);
    const enough = hub.sentBytes() + Math.floor(random.uniform() * 60_000);
    const run = continuo(["pull", NAME], hub.env);
    await until(() => (isRecorded ? recordOf(part) !== recordBefore : hub.sentBytes() > enough));
    run.kill();
    expect((await run.ended).signal).toBe("SIGKILL");
    expect(existsSync(finished)).toBe(false);
  }
  isLast = true;
  const claimed = (JSON.parse(recordOf(part)) as { readonly done: readonly (readonly [number, number])[] }).done;
  const requestsBefore = hub.content.length;
  const last = await continuo(["pull", NAME], hub.env).ended;

  expect(last.said).toMatch(/Pulled qwen2\.5-coder-0\.5b-instruct, q8_0, 1\.40 MB/);
  expect(last.code).toBe(0);
  expect(cuts).toBe(CUTS);
  expect(sha256(readFileSync(finished))).toBe(sha256(content));
  // What the record claimed was there indeed, and was not fetched again.
  expect(claimed.length).toBeGreaterThan(0);
  for (const { range } of hub.content.slice(requestsBefore)) {
    const [first, last] = range ?? [0, content.length - 1];
    if (last - first < LOOK_BYTES) continue; // a look at what the file is
    expect(claimed.filter(([start, end]) => start <= last && first < end)).toEqual([]);
  }
  expect(existsSync(part)).toBe(false);

  await hub.close();
  server = undefined;
  const service = await startServer({
    models: [NAME],
    env: { CONTINUO_DATA_DIR: join(folder.path, "data"), ...hub.env },
  });
  try {
    const response = await fetch(`${service.url}/compatible-mode/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: NAME, prompt: "<|fim_prefix|>def add(a, b):<|fim_suffix|>", max_tokens: 4 }),
    });
    const body = (await response.json()) as { model: string; usage: { completion_tokens: number } };

    expect(response.status).toBe(200);
    expect(response.headers.get("x-continuo-model")).toBe(NAME);
    expect(body.usage.completion_tokens).toBe(4);
  } finally {
    await service.stop();
  }
});

test("Ctrl-C keeps what arrived and says so; meanwhile a second pull of the same model is refused", async () => {
  const hub = await startHubServer({
    repositories: { "owner/Other-GGUF": [{ path: "other-q8_0.gguf", content }] },
    fault: ({ range }) => (range === undefined || range[1] < LOOK_BYTES ? undefined : { stallAfter: 20_000 }),
  });
  server = hub;
  const first = continuo(["pull", "hf:owner/Other-GGUF"], hub.env);
  await hub.stalled();

  const second = await continuo(["pull", "hf:owner/Other-GGUF"], hub.env).ended;
  first.interrupt();
  const stopped = await first.ended;

  expect(second.code).toBe(1);
  expect(second.said).toMatch(
    /another `continuo pull` is bringing other to the disk; wait until it is done, or stop it/,
  );
  expect(stopped.code).toBe(130);
  expect(stopped.said).toMatch(/stopped \(SIGINT\); what arrived is kept\. Run the same command again to go on/);
  const record = JSON.parse(recordOf(join(folder.path, "data", "models", "other", "other-q8_0.gguf.part")));
  expect(record.done.length).toBeGreaterThan(0);
});
