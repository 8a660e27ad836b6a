import { chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { processSurroundings, type Surroundings } from "../config/surroundings.ts";
import { examineAccess } from "./access.ts";
import { examineDataFolder } from "./data-folder.ts";
import { examineDatabase } from "./database.ts";
import { examine } from "./doctor.ts";
import type { Probe } from "./libraries.ts";

const probe: Probe = async () => ({ folder: "", llamaVersion: "v1", cpuVariant: "cpu", features: "", devices: [] });

let folder: ReturnType<typeof temporaryFolder>;
let surroundings: Surroundings;

beforeAll(() => {
  folder = temporaryFolder();
  surroundings = { ...processSurroundings(), env: {}, cwd: folder.path, home: folder.path };
});

afterAll(() => folder.remove());

test("without a model everything is looked at, and the missing model is a warning", async () => {
  const withoutAny = { ...surroundings, builtInFile: () => undefined };

  const findings = await examine({ port: "0" }, { probe, surroundings: withoutAny });

  expect(findings.map(({ what }) => what)).toEqual(
    expect.arrayContaining(["platform", "memory", "koffi", "libraries", "configuration", "data folder", "port"]),
  );
  expect(findings.find(({ what }) => what === "models")).toMatchObject({ state: "warning" });
});

test("the model in the package is looked at like any other", async () => {
  const findings = await examine({ port: "0" }, { probe, surroundings });

  expect(findings.some(({ what, state }) => what.includes("continuo-135m") && state === "ok")).toBe(true);
});

test("what is wrong with the configuration is a problem each, and the rest is looked at nevertheless", async () => {
  const config = join(folder.path, "wrong.yaml");
  writeFileSync(config, "prot: 1\nlog_level: loud\n");

  const findings = await examine({ config }, { probe, surroundings });

  const problems = findings.filter(({ what }) => what === "configuration");
  expect(problems.map(({ state }) => state)).toEqual(["problem", "problem"]);
  expect(problems.map(({ found }) => found).join()).toContain("wrong.yaml:1:1: prot");
  expect(findings.find(({ what }) => what === "libraries")).toMatchObject({ state: "ok" });
});

test("a configuration file that is not there is a problem", async () => {
  const findings = await examine({ config: join(folder.path, "none.yaml") }, { probe, surroundings });

  expect(findings.find(({ what }) => what === "configuration")).toMatchObject({ state: "problem" });
});

test("a data folder that is still to be made is in order where its parent can be written to", async () => {
  const path = join(folder.path, "not", "yet");

  const finding = await examineDataFolder(path);

  expect(finding.state).not.toBe("problem");
  expect(finding.found).toMatch(/not yet|not there yet/);
});

test("a data folder is tried as a server does: a link to nowhere is a problem, and nothing is left behind", async () => {
  const link = join(folder.path, "link");
  symlinkSync("/nowhere/at/all", link);
  const path = join(folder.path, "tried");
  mkdirSync(path);

  expect(await examineDataFolder(link)).toMatchObject({
    state: "problem",
    found: `${link} is a symbolic link to /nowhere/at/all, which does not exist`,
  });
  await examineDataFolder(path);
  expect(readdirSync(path)).toEqual([]);
});

test.runIf(existsSync("/proc/self"))("a data folder that the system refuses to make is a problem", async () => {
  expect(await examineDataFolder("/proc/nope/data")).toMatchObject({
    state: "problem",
    found: expect.stringContaining("the folder /proc/nope cannot be made"),
  });
});

test("a database is opened and left as it is; what is no database is a problem", async () => {
  const dataDir = join(folder.path, "with-database");
  mkdirSync(dataDir);

  expect(await examineDatabase({ dataDir })).toMatchObject({
    state: "ok",
    found: expect.stringContaining("not there"),
  });
  expect(readdirSync(dataDir)).toEqual([]);
  writeFileSync(join(dataDir, "continuo.db"), "some text ".repeat(1000));
  expect(await examineDatabase({ dataDir })).toMatchObject({
    state: "problem",
    found: expect.stringContaining("file is not a database"),
  });
});

test("a link to nowhere and a folder are no databases, and it is said why", async () => {
  const dataDir = join(folder.path, "with-a-link");
  mkdirSync(dataDir);
  const file = join(dataDir, "continuo.db");

  symlinkSync(join(dataDir, "nowhere"), file);
  expect(await examineDatabase({ dataDir })).toMatchObject({
    state: "problem",
    found: expect.stringMatching(/it is a symbolic link to .*nowhere, which does not exist/),
  });

  unlinkSync(file);
  mkdirSync(file);
  expect(await examineDatabase({ dataDir })).toMatchObject({
    state: "problem",
    found: expect.stringContaining("it is no file"),
  });
});

test("a data folder below a file is a problem", async () => {
  const file = join(folder.path, "file");
  writeFileSync(file, "");
  chmodSync(file, 0o600);

  expect(await examineDataFolder(join(file, "below"))).toMatchObject({ state: "problem" });
});

test.skipIf(process.getuid?.() === 0 || process.platform === "win32")(
  "a data folder that this user may not write to is a problem",
  async () => {
    const path = join(folder.path, "closed");
    mkdirSync(path, { mode: 0o500 });

    expect(await examineDataFolder(path)).toMatchObject({ state: "problem" });
  },
);

test.each([
  ["127.0.0.1", [], "ok", "only this machine, without a key"],
  ["localhost", ["a key of some length"], "ok", "only this machine, with 1 key"],
  ["0.0.0.0", ["a key of some length", "another of that length"], "ok", "other machines reach 0.0.0.0, with 2 keys"],
  ["0.0.0.0", ["short"], "warning", "other machines reach 0.0.0.0, with 1 key"],
])("%s with keys %j is %s", (host, keys, state, found) => {
  const finding = examineAccess({
    host,
    socketMode: 0o600,
    apiKeys: keys.map((key) => ({ key, label: "mine" })),
    adminKeys: [],
  });

  expect(finding.state).toBe(state);
  expect(finding.found).toContain(found);
});

test("keys are never printed", () => {
  const finding = examineAccess({
    host: "0.0.0.0",
    socketMode: 0o600,
    apiKeys: [{ key: "hunter2", label: "mine" }],
    adminKeys: [],
  });

  expect(JSON.stringify(finding)).not.toContain("hunter2");
});
