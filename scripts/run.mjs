/**
 * `npm start`, `npm test`, `npm run continuo`, `npm run build`: set up what is missing, then do it.
 *
 *   node scripts/run.mjs start|test|continuo|build [arguments]
 *
 * The server and the tests run in this very process, so signals and exit codes are theirs without any passing on.
 * Needs nothing but Node: it runs before anything is installed.
 */
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { buildIfNeeded, installIfNeeded, isNodeTooOld, whileLocked } from "./set-up.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** What each task starts after the set-up: a file below the root, and its first arguments. */
const TASKS = {
  start: { entry: "dist/cli/main.js", first: ["serve"] },
  continuo: { entry: "dist/cli/main.js", first: [] },
  test: { entry: "node_modules/vitest/vitest.mjs", first: ["run"] },
  build: undefined,
};

const [name = "", ...rest] = process.argv.slice(2);
if (!Object.hasOwn(TASKS, name))
  stop("expected one of start, test, continuo, build: node scripts/run.mjs start [arguments]");
const tooOld = isNodeTooOld(process.versions.node);
if (tooOld !== undefined) stop(tooOld);

try {
  await whileLocked(ROOT, () => {
    installIfNeeded(ROOT);
    buildIfNeeded(ROOT);
  });
} catch (error) {
  stop(error.message);
}

const task = TASKS[name];
if (task !== undefined) {
  const entry = join(ROOT, task.entry);
  process.argv = [process.execPath, entry, ...task.first, ...rest];
  await import(pathToFileURL(entry).href);
}

/** @param {string} message */
function stop(message) {
  console.error(`continuo: ${message}`);
  process.exit(1);
}
