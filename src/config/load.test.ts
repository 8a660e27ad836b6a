import { describe, expect, test } from "vitest";
import { load, problems, surroundings } from "../../test/support/configuration.ts";
import { loadConfig, loadStoreLocation } from "./load.ts";
import { fileModels } from "./models.ts";
import type { Flags } from "./settings.ts";

/** What a model has that says nothing of its life. */
const LIFE = { keepAliveMs: Number.POSITIVE_INFINITY, speculation: true };

describe("what a configuration says", () => {
  test("nothing said: loopback, port 8100, no keys, no models", () => {
    const config = loadConfig({}, surroundings());

    expect(config).toMatchObject({
      host: "127.0.0.1",
      port: 8100,
      apiKeys: [],
      models: [],
      strict: false,
      logLevel: "info",
    });
    expect(config.dataDir).toBe("/home/me/.local/share/continuo");
    expect(config.limits).toMatchObject({ plainTimeoutMs: 300_000, queueLength: 128, drainGraceMs: 30_000 });
  });

  test("an empty file says nothing", () => {
    expect(load("# nothing yet\n").port).toBe(8100);
    expect(load("models:\n#  a: a.gguf\n").models).toEqual([]);
  });

  test("a model is a path, or a mapping with settings; relative paths start at the file", () => {
    const config = load(`
models:
  first: a.gguf
  second: { file: ./b.gguf, context: 4096, slots: 2, threads: 1, fim: false, deterministic: true,
            sampling: { temperature: 0, top_p: 0.9 }, capabilities: { partial: false } }
`);

    expect(config.models).toEqual([
      {
        kind: "file",
        name: "first",
        file: "/etc/continuo/a.gguf",
        ...LIFE,
        deterministic: false,
        sampling: {},
        capabilities: {},
      },
      {
        kind: "file",
        name: "second",
        file: "/etc/continuo/b.gguf",
        ...LIFE,
        contextTokens: 4096,
        slots: 2,
        threads: 1,
        fim: false,
        deterministic: true,
        sampling: { temperature: 0, topP: 0.9 },
        capabilities: { partial: false },
      },
    ]);
  });

  test("how long models stay in memory, how much of it, and on what they run", () => {
    const config = load(
      `
memory_budget: 1.5GiB
keep_alive: 1h30m
load: first_use
engine: cpu
gpu_layers: 7
token_healing: false
models:
  first: a.gguf
  second: { file: b.gguf, keep_alive: 0, load: start, gpu_layers: 0, token_healing: true, speculation: false }
  third: { file: b.gguf, keep_alive: -1 }
`,
      { engine: ["vulkan"] },
      { CONTINUO_MEMORY_BUDGET: "50%" },
    );

    expect(config).toMatchObject({ memoryBudget: { part: 0.5 }, engine: "vulkan" });
    expect(config.models).toMatchObject([
      { keepAliveMs: 5_400_000, load: "first_use", gpuLayers: 7, tokenHealing: false, speculation: true },
      { keepAliveMs: 0, load: "start", gpuLayers: 0, tokenHealing: true, speculation: false },
      { keepAliveMs: Number.POSITIVE_INFINITY },
    ]);
  });

  test.each([
    ["800MB", 800_000_000],
    ["1.5GiB", 1_610_612_736],
    ["2 TiB", 2_199_023_255_552],
    ["512kB", 512_000],
    ["100B", 100],
  ])("a budget of %s is %i bytes", (text, bytes) => {
    expect(load("", { memoryBudget: text }).memoryBudget).toEqual({ bytes });
  });

  test.each(["10", "ten minutes", "5 m", "-5m"])("%s is no idle time", (text) => {
    expect(problems("", { keepAlive: text })[0]).toMatch(/--keep-alive: keep_alive: expected a time such as 30s/);
  });

  test("`use` and `aliases` are mappings, and the default may be one", () => {
    const config = load(`
default: nick
models:
  first: { file: a.gguf, aliases: [nick] }
  qwen-plus: { use: first }
`);

    expect([...config.mappings]).toEqual([
      ["nick", "first"],
      ["qwen-plus", "first"],
    ]);
    expect(config.defaultModel).toBe("first");
    expect(config.models).toMatchObject([
      { kind: "file", name: "first" },
      { kind: "use", name: "qwen-plus", use: "first" },
    ]);
    expect(fileModels(config).map(({ name }) => name)).toEqual(["first"]);
  });

  test("a key is a string, or has a label", () => {
    expect(load("api_keys: [sk-1, { key: sk-2, label: editor }]").apiKeys).toEqual([
      { key: "sk-1", label: "key 1" },
      { key: "sk-2", label: "editor" },
    ]);
  });

  test("a fill-in-the-middle layout is prefix first unless said otherwise; its padding is an end", () => {
    const source = `fim_layouts: { mine: { prefix: <P>, suffix: <S>, middle: <M>, end: ["</s>"], pad: <X> } }`;

    expect(load(source).fimLayouts).toEqual([
      {
        ...{ family: "mine", prefix: "<P>", suffix: "<S>", middle: "<M>", order: "psm", ends: ["</s>", "<X>"] },
        ...{ gapEnd: true, endBias: 0 },
      },
    ]);
  });
});

describe("precedence", () => {
  test.each([
    ["flag over all", { port: "3" }, { CONTINUO_PORT: "2" }, 3],
    ["environment over file", {}, { CONTINUO_PORT: "2" }, 2],
    ["file over default", {}, {}, 1],
    ["an empty variable counts as not set", {}, { CONTINUO_PORT: "" }, 1],
  ])("%s", (_name, flags, env, port) => {
    expect(load("port: 1", flags, env).port).toBe(port);
  });

  test("the file itself may come from CONTINUO_CONFIG", () => {
    const config = loadConfig({}, surroundings("port: 1", { CONTINUO_CONFIG: "/etc/continuo/c.yaml" }));

    expect(config.port).toBe(1);
  });

  test("CONTINUO_API_KEY takes the place of the file's keys", () => {
    expect(load("api_keys: [sk-1]", {}, { CONTINUO_API_KEY: "sk-9" }).apiKeys).toEqual([
      { key: "sk-9", label: "CONTINUO_API_KEY" },
    ]);
  });

  test("models of the command line come first, and replace only the file of an entry with their name", () => {
    const config = load("models: { first: a.gguf, second: { file: b.gguf, slots: 2 } }", {
      model: ["second=other.gguf", "tiny.gguf"],
    });

    expect(fileModels(config).map(({ name, file, slots }) => [name, file, slots])).toEqual([
      ["second", "/srv/other.gguf", 2],
      ["tiny", "/srv/tiny.gguf", undefined],
      ["first", "/etc/continuo/a.gguf", undefined],
    ]);
  });

  test("--model takes the place of CONTINUO_MODEL", () => {
    expect(load("", { model: ["tiny.gguf"] }, { CONTINUO_MODEL: "other.gguf" }).models.map(({ name }) => name)).toEqual(
      ["tiny"],
    );
    expect(load("", {}, { CONTINUO_MODEL: "tiny.gguf:b=other.gguf" }).models.map(({ name }) => name)).toEqual([
      "tiny",
      "b",
    ]);
  });

  test("--slots, --context, --threads and --deterministic hold for every model with weights", () => {
    const flags: Flags = { slots: "3", context: "512", threads: "2", deterministic: true };
    const config = load(
      "models: { first: { file: a.gguf, slots: 9, deterministic: false }, alias: { use: first } }",
      flags,
    );

    expect(config.models[0]).toMatchObject({ slots: 3, contextTokens: 512, threads: 2, deterministic: true });
  });

  test("a file is named after itself, without shard number; a path with = in it is still a path", () => {
    const config = load("", { model: ["big-q4_k_m-00001-of-00002.gguf", "x=y.gguf"] });

    expect(config.models.map(({ name }) => name)).toEqual(["big-q4_k_m", "x=y"]);
  });
});

describe("the database", () => {
  const location = (source: string, env: Record<string, string> = {}) =>
    loadStoreLocation({ config: "/etc/continuo/c.yaml" }, surroundings(source, env));

  test("is a file in the data directory unless one is named, and found without the rest of the configuration", () => {
    expect(location("data_dir: /data\nport: wrong\n")).toEqual({ dataDir: "/data" });
    expect(location("database: memory\n", { CONTINUO_DATA_DIR: "/data" })).toEqual({
      dataDir: "/data",
      database: "memory",
    });
    expect(load("", {}, { CONTINUO_DATABASE: "postgres://u:p@h/d" }).database).toBe("postgres://u:p@h/d");
  });

  test.each(["mysql://u:secret@h/d", "secret", "postgres//u:secret@h/d"])("%s is refused and not repeated", (url) => {
    const expected = /^CONTINUO_DATABASE: database: expected postgres:[^,]*$/;

    expect(problems("", {}, { CONTINUO_DATABASE: url }).join()).toMatch(expected);
    expect(() => location("", { CONTINUO_DATABASE: url })).toThrow(expected);
  });
});
