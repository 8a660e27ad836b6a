/**
 * Does what the first screen of the README says, with the model in the package: `npm start`, its `curl`, Ctrl-C.
 * Counts in its last line.
 */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** The first start may have to install and compile. */
const FIRST_START_MS = 240_000;
/** It takes two seconds; a machine whose host is busy has been seen to take ten times as long. */
const NEXT_START_MS = 60_000;
const STOP_MS = 20_000;
/** For the answer to the README's curl, the quickest of some, as other programs may take a while of the machine. */
const ANSWER_MS = 3000;
const TRIES = 5;

const scratch = mkdtempSync(join(tmpdir(), "continuo-readme-"));
let passed = 0;
let failed = 0;

try {
  await check("npm start, the first time, comes up and ends with Ctrl-C", async () => {
    await stop(await start(FIRST_START_MS));
  });
  for (const page of ["README.md", "README.zh-CN.md"]) {
    await check(`npm start, a second time, answers the curl of ${page} in time`, async () => {
      const server = await start(NEXT_START_MS);
      try {
        const command = curlOf(page).replace("http://127.0.0.1:8100", server.url);
        const answers = [];
        for (let time = 0; time < TRIES; time += 1) answers.push(await answerOf(command));
        const quickest = Math.min(...answers.map(({ tookMs }) => tookMs));
        console.log(`up in ${server.tookMs} ms; ${JSON.stringify(answers[0].text)}, ${quickest} ms`);
        if (quickest > ANSWER_MS) throw new Error(`the quickest answer took ${quickest} ms`);
      } finally {
        await stop(server);
      }
    });
  }
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;

/** Non-empty text, and the time it took. */
async function answerOf(command) {
  const before = performance.now();
  const { stdout } = await run("bash", ["-c", command]);
  const text = JSON.parse(stdout).choices?.[0]?.text;
  if (typeof text !== "string" || text === "") throw new Error(stdout);
  return { text, tookMs: Math.round(performance.now() - before) };
}

/** The first shell block that calls the server. */
function curlOf(page) {
  const command = /```sh\n(curl [\s\S]*?)```/.exec(readFileSync(page, "utf8"))?.[1];
  if (command === undefined) throw new Error(`${page} has no curl`);
  return command.replace(/^curl /, "curl --silent --show-error --fail-with-body ");
}

/** `npm start` in a process group of its own, as a terminal would start it. */
async function start(limitMs) {
  const before = performance.now();
  const child = spawn("npm", ["start", "--", "--port", "0"], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      CONTINUO_CONFIG: "",
      CONTINUO_MODEL: "",
      CONTINUO_API_KEY: "",
      CONTINUO_DATA_DIR: join(scratch, "data"),
    },
  });
  const exit = once(child, "exit");
  let said = "";
  const url = await new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      process.kill(-child.pid, "SIGKILL");
      reject(new Error(`not up within ${limitMs} ms; it said:\n${said}`));
    }, limitMs);
    child.stderr.setEncoding("utf8").on("data", (text) => {
      said += text;
      const listening = /^Listening on (http:\S+[^.\s])/m.exec(said)?.[1];
      if (listening === undefined) return;
      clearTimeout(timer);
      resolve(listening);
    });
    exit.then(([code]) => {
      clearTimeout(timer);
      reject(new Error(`ended with code ${code}; it said:\n${said}`));
    }, reject);
  });
  return { url, child, exit, said: () => said, tookMs: Math.round(performance.now() - before) };
}

/** Ctrl-C reaches every process of the group, and npm passes it on once more. */
async function stop({ child, exit, said }) {
  const timer = setTimeout(() => process.kill(-child.pid, "SIGKILL"), STOP_MS);
  process.kill(-child.pid, "SIGINT");
  const [code, signal] = await exit;
  clearTimeout(timer);
  if (signal === "SIGKILL") throw new Error(`still running ${STOP_MS} ms after Ctrl-C`);
  if (/^\w*Error: /m.test(said())) throw new Error(`it said of its end:\n${said()}`);
  // npm ends the way its script ended, or by the signal itself.
  if (code !== 0 && signal !== "SIGINT" && code !== 130) throw new Error(`ended with ${signal ?? `code ${code}`}`);
}

async function check(name, body) {
  try {
    await body();
    passed += 1;
    console.log(`ok: ${name}`);
  } catch (error) {
    failed += 1;
    console.log(`FAILED: ${name}\n${error instanceof Error ? error.message : error}`);
  }
}
