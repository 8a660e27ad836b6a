import { describe, expect, test } from "vitest";
import { FLAGS, load, problems, surroundings } from "../../test/support/configuration.ts";
import type { Config } from "./config.ts";
import { loadConfig, loadDataDir } from "./load.ts";
import { fileModels } from "./models.ts";
import type { Flags } from "./settings.ts";

describe("pulled models", () => {
  const named = (config: Config): string[] => fileModels(config).map(({ name, file }) => `${name} ${file}`);
  const DATA = { CONTINUO_DATA_DIR: "/data" };

  test("their names stand where a path could: in a flag, a variable and the file", () => {
    const mine = "/data/models/mine/weights.gguf";

    expect(named(load("", { model: ["mine"] }, DATA))).toEqual([`mine ${mine}`]);
    expect(named(load("", { model: ["coder=mine"] }, DATA))).toEqual([`coder ${mine}`]);
    expect(named(load("", {}, { ...DATA, CONTINUO_MODEL: "mine:other=mine" }))).toEqual([
      `mine ${mine}`,
      `other ${mine}`,
    ]);
    expect(named(load("data_dir: /data\nmodels: { a: mine, b: { file: mine } }"))).toEqual([`a ${mine}`, `b ${mine}`]);
  });

  test("a file of the same name comes first, and a path is never a name", () => {
    const config = load("", { model: ["tiny.gguf"] }, { CONTINUO_DATA_DIR: "/data" });

    expect(named(config)).toEqual(["tiny /srv/tiny.gguf"]);
    expect(problems("", { model: ["/elsewhere/mine"] }, DATA)).toHaveLength(1);
  });

  test("when no weights are named, every pulled model is served, with the settings of every model", () => {
    const config = load("models: { qwen-plus: { use: mine } }", { slots: "2" }, DATA);

    expect(fileModels(config).map(({ name, slots }) => [name, slots])).toEqual([
      ["qwen2.5-coder-0.5b-instruct", 2],
      ["mine", 2],
    ]);
    expect([...config.mappings]).toEqual([["qwen-plus", "mine"]]);
  });

  describe("and the one in the package", () => {
    const FILE = "/package/model/weights.gguf";
    const loadWith = (source: string, flags: Flags = {}, env: Record<string, string> = {}): Config =>
      loadConfig({ ...FLAGS, ...flags }, surroundings(source, env, FILE));

    test("it is served when nothing was pulled and no weights are named", () => {
      const config = loadWith("models: { qwen-plus: { use: continuo-135m } }", { context: "512" });

      expect(named(config)).toEqual([`continuo-135m ${FILE}`]);
      expect(fileModels(config)[0]).toMatchObject({ contextTokens: 512 });
      expect(fileModels(config)[0]?.load).toBeUndefined();
      expect([...config.mappings]).toEqual([["qwen-plus", "continuo-135m"]]);
    });

    test("behind pulled models it waits for its first request, whatever the others do", () => {
      const models = fileModels(loadWith("load: start", {}, DATA));

      expect(models.map(({ name, load }) => [name, load])).toEqual([
        ["qwen2.5-coder-0.5b-instruct", "start"],
        ["mine", "start"],
        ["continuo-135m", "first_use"],
      ]);
    });

    test("named weights are all there is; its name stands for its file among them", () => {
      expect(named(loadWith("", { model: ["tiny.gguf"] }))).toEqual(["tiny /srv/tiny.gguf"]);
      expect(named(loadWith("models: { a: a.gguf }"))).toEqual(["a /etc/continuo/a.gguf"]);
      expect(named(loadWith("models: { small: continuo-135m }"))).toEqual([`small ${FILE}`]);
      expect(named(loadWith("", { model: ["continuo-135m"] }))).toEqual([`continuo-135m ${FILE}`]);
    });

    test("built_in: false serves it only where it is named", () => {
      expect(named(loadWith("built_in: false"))).toEqual([]);
      expect(loadWith("built_in: false", {}, DATA).models).toHaveLength(2);
      expect(named(loadWith("{ built_in: false, models: { a: continuo-135m } }"))).toEqual([`a ${FILE}`]);
    });

    test("what was pulled under its name takes its place", () => {
      const pulled = { ...surroundings("", {}, FILE), pulledModels: () => new Map([["continuo-135m", "/mine.gguf"]]) };

      expect(named(loadConfig({}, { ...pulled, isFile: () => true }))).toEqual(["continuo-135m /mine.gguf"]);
    });
  });

  test("a name that is not here says how to get it, or which one was meant", () => {
    expect(problems("", { model: ["qwen2.5-7b-instruct"] }, DATA)).toEqual([
      '--model qwen2.5-7b-instruct: models.qwen2.5-7b-instruct.file: there is neither a file /srv/qwen2.5-7b-instruct nor a pulled model "qwen2.5-7b-instruct"; `continuo pull qwen2.5-7b-instruct` gets it if it is in the catalogue (`continuo models` lists what is here)',
    ]);
    expect(problems("", { model: ["mien"] }, DATA)[0]).toContain('did you mean "mine"?');
    expect(problems("", { model: ["gone.gguf"] }, DATA)[0]).toContain(
      "there is no file /srv/gone.gguf; check the path",
    );
  });

  test("the directory alone is known also when models of the configuration are not here", () => {
    const broken = surroundings("data_dir: here\nmodels: { a: gone.gguf }");

    expect(loadDataDir(FLAGS, broken)).toBe("/etc/continuo/here");
    expect(loadDataDir({ ...FLAGS, dataDir: "flag" }, broken)).toBe("/srv/flag");
    expect(loadDataDir({}, broken)).toBe("/home/me/.local/share/continuo");
  });
});
