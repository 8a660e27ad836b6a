import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildIfNeeded, isInstalled, isNodeTooOld, sourcesOf, whileLocked } from "../../scripts/set-up.mjs";

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "continuo-test-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, content: unknown): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
}

test.each([
  ["18.20.0", false],
  ["20.18.3", false],
  ["20.19.0", true],
  ["22.0.0", true],
])("Node %s is new enough: %s", (version, isNewEnough) => {
  expect(isNodeTooOld(version) === undefined).toBe(isNewEnough);
});

describe("installing", () => {
  const wanted = {
    "": { name: "x" },
    "node_modules/a": { version: "1.0.0", integrity: "sha-1" },
    "node_modules/other-system": { version: "1.0.0", integrity: "sha-2", optional: true },
  };

  function isInstalledWith(installed: Record<string, unknown> | undefined): boolean {
    write("package-lock.json", { packages: wanted });
    if (installed !== undefined) write("node_modules/.package-lock.json", { packages: installed });
    return isInstalled(root);
  }

  test("is needed without node_modules", () => {
    expect(isInstalledWith(undefined)).toBe(false);
  });

  test("is needed when a package is missing, or is another version, or another archive", () => {
    expect(isInstalledWith({})).toBe(false);
    expect(isInstalledWith({ "node_modules/a": { version: "1.0.1", integrity: "sha-1" } })).toBe(false);
    expect(isInstalledWith({ "node_modules/a": { version: "1.0.0", integrity: "sha-9" } })).toBe(false);
  });

  test("is not needed for packages of other systems, nor for a lockfile that is merely newer", () => {
    const installed = { "node_modules/a": wanted["node_modules/a"] };
    expect(isInstalledWith(installed)).toBe(true);

    utimesSync(join(root, "package-lock.json"), 4e9, 4e9);

    expect(isInstalled(root)).toBe(true);
  });
});

describe("compiling", () => {
  /** A compiler that notes its calls and makes one output per call. */
  const COMPILER = `
    const fs = require("node:fs");
    fs.appendFileSync("calls", "x");
    fs.mkdirSync("dist", { recursive: true });
    fs.writeFileSync("dist/out.js", "");
    process.exit(fs.existsSync("src/broken.ts") ? 1 : 0);`;

  const REFERENCE_PAGE = [
    ...["swagger-ui.css", "swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "LICENSE", "NOTICE"],
  ];

  beforeEach(() => {
    for (const file of ["package.json", "package-lock.json", "tsconfig.json", "tsconfig.build.json"]) write(file, "{}");
    write("src/a.ts", "");
    write("src/deep/b.ts", "");
    write("node_modules/typescript/bin/tsc", COMPILER);
    for (const name of REFERENCE_PAGE) write(`node_modules/swagger-ui-dist/${name}`, name);
  });

  const calls = (): number => (existsSync(join(root, "calls")) ? readFileSync(join(root, "calls"), "utf8").length : 0);

  test("happens once, then only after a change of a source or a setting", () => {
    buildIfNeeded(root);
    buildIfNeeded(root);
    expect(calls()).toBe(1);

    write("src/deep/b.ts", "changed");
    buildIfNeeded(root);
    expect(calls()).toBe(2);

    write("tsconfig.json", "{ }");
    buildIfNeeded(root);
    expect(calls()).toBe(3);
  });

  test("puts the files of the reference page, and their terms, into the output", () => {
    buildIfNeeded(root);

    for (const name of REFERENCE_PAGE) expect(readFileSync(join(root, "dist/http/docs", name), "utf8")).toBe(name);
  });

  test("tests are no source", () => {
    const before = sourcesOf(root);

    write("src/a.test.ts", "");

    expect(sourcesOf(root)).toBe(before);
  });

  test("leaves no output of a deleted source behind", () => {
    buildIfNeeded(root);
    write("dist/deep/b.js", "");
    rmSync(join(root, "src/deep/b.ts"));

    buildIfNeeded(root);

    expect(existsSync(join(root, "dist/deep/b.js"))).toBe(false);
    expect(existsSync(join(root, "dist/out.js"))).toBe(true);
  });

  test("that failed is tried again", () => {
    write("src/broken.ts", "");
    expect(() => buildIfNeeded(root)).toThrow(/ended with code 1/);

    rmSync(join(root, "src/broken.ts"));
    buildIfNeeded(root);
    expect(calls()).toBe(2);
  });
});

describe("the lock", () => {
  test("is there for the next one after the work", async () => {
    const order: string[] = [];

    await whileLocked(root, () => {
      order.push("first");
    });
    await whileLocked(root, () => {
      order.push("second");
    });

    expect(order).toEqual(["first", "second"]);
  });

  test("is released by a failure", async () => {
    await expect(
      whileLocked(root, () => {
        throw new Error("no");
      }),
    ).rejects.toThrow("no");

    await expect(whileLocked(root, () => {})).resolves.toBeUndefined();
  });
});
