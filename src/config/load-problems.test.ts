import { describe, expect, test } from "vitest";
import { problems } from "../../test/support/configuration.ts";

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
      "neither file, use nor engine",
      "models:\n  a: {}\n",
      /c\.yaml:2:3: models\.a: expected `file: PATH`, .* or `replicas: \[NAME, …\]`, found none/,
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
