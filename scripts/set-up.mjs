/** Installing and building when, and only when, something changed. Standard library only. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Oldest Node that works: the first 20 with `require` of ES modules, which dependencies use. */
const OLDEST_NODE = [20, 19];

/**
 * @param {string} version such as `20.19.0`
 * @returns {string | undefined} what to tell the person; undefined: new enough
 */
export function isNodeTooOld(version) {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [oldestMajor, oldestMinor] = OLDEST_NODE;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return undefined;
  return `expected Node ${OLDEST_NODE.join(".")} or newer, found ${version}; install it from https://nodejs.org`;
}

/**
 * Runs `npm ci` when a package that the lockfile asks for is not the one that is installed.
 *
 * @param {string} root
 */
export function installIfNeeded(root) {
  if (isInstalled(root)) return;
  console.error("Installing dependencies (once, and after they change) …");
  // Under npm its own file is known; run with the same Node it needs no shell, on Windows either.
  const npm = process.env.npm_execpath;
  const isScript = npm !== undefined && /\.[cm]?js$/.test(npm);
  const [command, ...first] = isScript ? [process.execPath, npm] : ["npm"];
  run(
    command,
    [...first, "ci", "--include=dev", "--no-audit", "--no-fund", "--loglevel=error"],
    root,
    !isScript && process.platform === "win32",
  );
}

/**
 * Compares what npm installed (its hidden lockfile) with the lockfile. Times alone do not tell: `npm install` writes
 * the two in any order, and version control touches files that did not change.
 *
 * @param {string} root
 */
export function isInstalled(root) {
  const hidden = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(hidden)) return false;
  const wanted = packagesOf(join(root, "package-lock.json"));
  const installed = packagesOf(hidden);
  return Object.entries(wanted).every(([path, entry]) => {
    if (path === "") return true;
    const found = installed[path];
    // Packages for other systems are in the lockfile and not on the disk.
    if (found === undefined) return entry.optional === true || entry.devOptional === true;
    return found.version === entry.version && found.integrity === entry.integrity;
  });
}

/**
 * @param {string} file
 * @returns {Record<string, { version?: string, integrity?: string, optional?: boolean, devOptional?: boolean }>}
 */
function packagesOf(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages ?? {};
}

/**
 * Compiles when any source or setting differs from what `dist/` was made from.
 *
 * @param {string} root
 */
export function buildIfNeeded(root) {
  const stamp = join(root, "dist", ".built-from");
  const before = existsSync(stamp) ? readFileSync(stamp, "utf8") : "";
  const now = sourcesOf(root);
  if (before === now) return;
  console.error("Compiling …");
  // The compiler leaves the output of deleted sources behind.
  if (isSourceGone(before, now)) rmSync(join(root, "dist"), { recursive: true, force: true });
  rmSync(stamp, { force: true });
  run(process.execPath, [join(root, "node_modules", "typescript", "bin", "tsc"), "-p", "tsconfig.build.json"], root);
  copyReferencePage(root);
  writeFileSync(stamp, now);
}

/** What `/docs` shows the API with, and the terms it comes under. */
const REFERENCE_PAGE = [
  "swagger-ui.css",
  "swagger-ui-bundle.js",
  "swagger-ui-bundle.js.LICENSE.txt",
  "LICENSE",
  "NOTICE",
];

/**
 * Puts the foreign files of `/docs` beside the code that serves them (`http/docs-routes.ts`).
 *
 * @param {string} root
 */
function copyReferencePage(root) {
  const folder = join(root, "dist", "http", "docs");
  mkdirSync(folder, { recursive: true });
  for (const name of REFERENCE_PAGE) {
    copyFileSync(join(root, "node_modules", "swagger-ui-dist", name), join(folder, name));
  }
}

/**
 * One line per file that the build depends on: path, size and time of change.
 *
 * @param {string} root
 */
export function sourcesOf(root) {
  const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts") && !path.endsWith(".test.ts"))
    .map((path) => join("src", path));
  const settings = ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"];
  return [...settings, ...sources.sort()]
    .map((path) => {
      const { size, mtimeMs } = statSync(join(root, path));
      return `${path}\t${size}\t${mtimeMs}\n`;
    })
    .join("");
}

/**
 * @param {string} before
 * @param {string} now
 */
function isSourceGone(before, now) {
  const paths = (/** @type {string} */ lines) => lines.split("\n").map((line) => line.split("\t")[0]);
  const present = new Set(paths(now));
  return before === "" || paths(before).some((path) => !present.has(path));
}

/** How long to wait between looks at somebody else's lock, ms. */
const LOCK_CHECK_MS = 250;

/** An owner writes its number within a millisecond; one that has not by now, ms, never will. */
const UNSIGNED_LOCK_MS = 10_000;

/**
 * `npm start` and `npm test` may be called at the same time on a fresh clone; only one of them sets up, the other waits.
 *
 * @param {string} root
 * @param {() => void} work
 */
export async function whileLocked(root, work) {
  const owner = `${process.getuid?.() ?? ""}:${root}`;
  const name = createHash("sha256").update(owner).digest("hex").slice(0, 16);
  const lock = join(tmpdir(), `continuo-set-up-${name}`);
  let isSaid = false;
  while (!take(lock)) {
    if (!isSaid) console.error("Waiting for another npm start or npm test to finish setting up …");
    isSaid = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_CHECK_MS));
  }
  try {
    work();
  } finally {
    rmSync(lock, { recursive: true, force: true });
  }
}

/**
 * Making a directory either works or finds it there: no two processes get the lock. One whose owner has died is removed.
 *
 * @param {string} lock
 */
function take(lock) {
  try {
    mkdirSync(lock);
    writeFileSync(join(lock, "pid"), String(process.pid));
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const owner = Number(readIfThere(join(lock, "pid")));
  const ageMs = Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  const isLeft = owner > 0 ? !isAlive(owner) : ageMs > UNSIGNED_LOCK_MS;
  if (isLeft) rmSync(lock, { recursive: true, force: true });
  return false;
}

/** @param {string} file */
function readIfThere(file) {
  try {
    return readFileSync(file, "utf8");
  } catch {
    // The owner is between making the directory and writing into it, or has just released it.
    return "";
  }
}

/** @param {number} pid */
function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === "EPERM";
  }
}

/**
 * @param {string} command
 * @param {readonly string[]} args
 * @param {string} cwd
 * @param {boolean} shell
 */
function run(command, args, cwd, shell = false) {
  const { status, signal, error } = spawnSync(command, args, { cwd, stdio: "inherit", shell });
  if (error !== undefined) throw new Error(`cannot run ${command}: ${error.message}`);
  if (status !== 0) throw new Error(`${[command, ...args].join(" ")} ended with ${signal ?? `code ${status}`}`);
}
