import { describe, expect, test } from "vitest";
import type { Config } from "./config.ts";
import { ConfigError } from "./error.ts";
import { loadConfig, loadDataDir, loadStoreLocation } from "./load.ts";
import type { Flags } from "./settings.ts";
import type { Surroundings } from "./surroundings.ts";

const FILES = [
  "/etc/continuo/a.gguf",
  "/etc/continuo/b.gguf",
  "/srv/tiny.gguf",
  "/srv/other.gguf",
  "/srv/x=y.gguf",
  "/srv/big-q4_k_m-00001-of-00002.gguf",
];

/** By data directory. */
const PULLED: Readonly<Record<string, readonly string[]>> = {
  "/data": ["qwen2.5-coder-0.5b-instruct", "mine"],
};

function surroundings(source = "", env: Record<string, string> = {}, builtIn?: string): Surroundings {
  return {
    env,
    cwd: "/srv",
    home: "/home/me",
    platform: "linux",
    readFile: (path) => {
      if (path !== "/etc/continuo/c.yaml") throw new Error("ENOENT");
      return source;
    },
    isFile: (path) => FILES.includes(path) || path.endsWith("/weights.gguf"),
    pulledModels: (dataDir) =>
      new Map((PULLED[dataDir] ?? []).map((name) => [name, `${dataDir}/models/${name}/weights.gguf`])),
    builtInFile: () => builtIn,
  };
}

/** What a model has that says nothing of its life. */
const LIFE = { keepAliveMs: Number.POSITIVE_INFINITY, speculation: true };

const FLAGS: Flags = { config: "/etc/continuo/c.yaml" };

function load(source: string, flags: Flags = {}, env: Record<string, string> = {}): Config {
  return loadConfig({ ...FLAGS, ...flags }, surroundings(source, env));
}

function problems(source: string, flags: Flags = {}, env: Record<string, string> = {}): string[] {
  try {
    load(source, flags, env);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.split("\n");
    throw error;
  }
  return [];
}

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
      { name: "first", file: "/etc/continuo/a.gguf", ...LIFE, deterministic: false, sampling: {}, capabilities: {} },
      {
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
      { engine: "vulkan" },
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
    expect(config.models.map(({ name }) => name)).toEqual(["first"]);
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
      { family: "mine", prefix: "<P>", suffix: "<S>", middle: "<M>", order: "psm", ends: ["</s>", "<X>"] },
    ]);
  });
});

describe("pulled models", () => {
  const named = (config: Config): string[] => config.models.map(({ name, file }) => `${name} ${file}`);
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

    expect(config.models.map(({ name, slots }) => [name, slots])).toEqual([
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
      expect(config.models[0]).toMatchObject({ contextTokens: 512 });
      expect(config.models[0]?.load).toBeUndefined();
      expect([...config.mappings]).toEqual([["qwen-plus", "continuo-135m"]]);
    });

    test("behind pulled models it waits for its first request, whatever the others do", () => {
      const { models } = loadWith("load: start", {}, DATA);

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

    expect(config.models.map(({ name, file, slots }) => [name, file, slots])).toEqual([
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

describe("what is wrong is said with its place", () => {
  test("a misspelt key", () => {
    expect(problems("port: 1\nmodels:\n  first:\n    file: a.gguf\n    contxt: 3\n")).toEqual([
      '/etc/continuo/c.yaml:5:5: models.first.contxt: unknown key; did you mean "context"?',
    ]);
  });

  test("a key that resembles nothing", () => {
    expect(problems("limits:\n  colour: red\n")[0]).toMatch(
      /^\/etc\/continuo\/c\.yaml:2:3: limits\.colour: unknown key; the keys here are body_bytes, /,
    );
  });

  test("every problem at once, each with line and column", () => {
    expect(problems("port: 99999\nstrict: 1\nlimits: { queue_length: -1 }\n")).toEqual([
      "/etc/continuo/c.yaml:1:1: port: expected an integer from 0 to 65535, found 99999",
      "/etc/continuo/c.yaml:2:1: strict: expected true or false, found 1",
      "/etc/continuo/c.yaml:3:11: limits.queue_length: expected an integer from 0 to 100000, found -1",
    ]);
  });

  test.each([
    ["not YAML", "port: [1\n", /c\.yaml:2:1: expected YAML: /],
    ["a key twice", "port: 1\nport: 2\n", /c\.yaml:2:1: this key stands here twice; remove one of them/],
    ["a list as the whole", "- 1\n", /c\.yaml:1:1: expected `key: value` lines, found a list/],
    [
      "a model without anything",
      "models:\n  a:\n",
      /c\.yaml:2:3: models\.a: expected a model: .* found an empty value/,
    ],
    ["a model that is nothing", "models:\n  a: 3\n", /c\.yaml:2:3: models\.a: expected a model: a path, .* found 3/],
    [
      "a family that is true",
      "models:\n  a: {file: a.gguf, fim: true}\n",
      /c\.yaml:2:21: models\.a\.fim: expected the name .* or false, found true/,
    ],
    [
      "a name with a blank",
      "models:\n  a b: a.gguf\n",
      /c\.yaml:2:3: models\.a b: expected a name .* without blanks as the key/,
    ],
    [
      "an origin with a path",
      "cors_origins: [https://a.b/c]\n",
      /c\.yaml:1:16: cors_origins\.0: expected "\*" or an origin/,
    ],
    [
      "a layout without a suffix",
      "fim_layouts:\n  f: {prefix: a}\n",
      /c\.yaml:2:3: fim_layouts\.f\.suffix: expected a control token, found nothing/,
    ],
    [
      "half a repository form",
      "fim_layouts:\n  f: {prefix: a, suffix: b, repo_name: c}\n",
      /c\.yaml:2:29: fim_layouts\.f\.repo_name: .*both or neither/,
    ],
    [
      "a file that is not there",
      "models:\n  a: c.gguf\n",
      /c\.yaml:2:3: models\.a\.file: there is no file \/etc\/continuo\/c\.gguf/,
    ],
    [
      "neither file nor use",
      "models:\n  a: {}\n",
      /c\.yaml:2:3: models\.a: expected `file: PATH` or `use: NAME`, found neither/,
    ],
    [
      "use beside other keys",
      "models:\n  a: a.gguf\n  b: {use: a, slots: 1}\n",
      /c\.yaml:3:15: models\.b\.slots: `use` stands alone/,
    ],
    [
      "use of a model that is not there",
      "models:\n  abc: a.gguf\n  b: {use: abd}\n",
      /c\.yaml:3:7: models\.b\.use: .* did you mean "abc"\?/,
    ],
    [
      "use of a use",
      "models:\n  a: a.gguf\n  b: {use: a}\n  c: {use: b}\n",
      /c\.yaml:4:7: models\.c\.use: "b" uses another model itself/,
    ],
    [
      "an alias twice",
      "models:\n  a: {file: a.gguf, aliases: [b]}\n  b: b.gguf\n",
      /c\.yaml:2:31: models\.a\.aliases\.0: "b" already belongs to "b"/,
    ],
    [
      "a default that is not there",
      "default: x\n",
      /c\.yaml:1:1: default: no model is named "x"; add it under `models:`/,
    ],
  ])("%s", (_name, source, expected) => {
    expect(problems(source).join("\n")).toMatch(expected);
  });

  test("the place in a flag or a variable is its name", () => {
    expect(problems("", { port: "abc" })).toEqual(['--port: port: expected an integer from 0 to 65535, found "abc"']);
    expect(problems("", {}, { CONTINUO_PORT: "70000" })[0]).toMatch(/^CONTINUO_PORT: port: expected an integer/);
    expect(problems("", { model: ["none.gguf"] })[0]).toMatch(
      /^--model none\.gguf: models\.none\.file: there is no file \/srv\/none\.gguf/,
    );
    expect(problems("", { model: ["tiny.gguf"], slots: "0" })[0]).toMatch(
      /^--slots: models\.tiny\.slots: expected an integer from 1 to 256, found 0/,
    );
    expect(problems("", { model: ["tiny.gguf", "tiny=other.gguf"] })[0]).toMatch(/two models are named "tiny"/);
    expect(problems("", { config: "/nowhere.yaml" })[0]).toMatch(/^--config: cannot read \/nowhere\.yaml/);
  });

  test("a key is never repeated", () => {
    expect(problems("api_keys: ['secret one']").join()).toMatch(
      /api_keys\.0\.key: expected printable ASCII without blanks$/,
    );
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
