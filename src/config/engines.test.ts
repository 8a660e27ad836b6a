import { describe, expect, test } from "vitest";
import { load, problems } from "../../test/support/configuration.ts";

const PEER = "engines:\n  gpu: { kind: vllm, url: http://10.0.0.5:8000 }\n";

describe("engines elsewhere", () => {
  test("with all that can be said of them", () => {
    const config = load(
      `engines:
  gpu:
    kind: openai
    url: https://example.org/api/v1
    api_key_env: GPU_KEY
    timeouts: { connect_ms: 100, total_ms: 9000 }
    prefix: partial
    fields: [top_k]
models:
  qwen-plus:
    engine: gpu
    model: Qwen/Qwen2.5-72B
    fim: qwen
    context: 32768
    emulate: true
    thinking: false
    aliases: [big]
    sampling: { temperature: 0.3 }
    capabilities: { max_output_tokens: 4096 }
  first: { engine: gpu }
`,
      {},
      { GPU_KEY: "sk-theirs" },
    );

    expect(config.engines).toEqual([
      {
        name: "gpu",
        kind: "openai",
        url: "https://example.org/api/v1",
        apiKey: "sk-theirs",
        limits: { connectMs: 100, firstTokenMs: 300_000, idleMs: 120_000, totalMs: 9_000 },
        prefix: "partial",
        fields: new Set(["top_k"]),
      },
    ]);
    expect(config.models).toEqual([
      {
        ...{ kind: "engine", name: "qwen-plus", engine: "gpu", model: "Qwen/Qwen2.5-72B" },
        ...{ fim: "qwen", contextTokens: 32_768, emulate: true, thinking: false, sampling: { temperature: 0.3 } },
        capabilities: { maxOutputTokens: 4_096 },
      },
      { kind: "engine", name: "first", engine: "gpu", sampling: {}, capabilities: {} },
    ]);
    expect(config.mappings).toEqual(new Map([["big", "qwen-plus"]]));
  });

  test("are answers enough: no model of this machine is served unasked", () => {
    const config = load(`${PEER}models: { mine: { engine: gpu } }\ndata_dir: /data\n`);

    expect(config.models.map(({ name }) => name)).toEqual(["mine"]);
  });

  test("settings for every model are those of models of this machine", () => {
    const config = load(`${PEER}models: { mine: { engine: gpu }, first: a.gguf }\n`, { slots: "3" });

    expect(config.models).toMatchObject([{ name: "mine" }, { name: "first", slots: 3 }]);
  });

  test.each([
    [
      "an unknown kind",
      "engines:\n  gpu: { kind: vlm, url: http://a }\n",
      /gpu\.kind: expected llama-server, vllm, .*openai, found "vlm"/,
    ],
    [
      "instructions for weights of this machine",
      "models:\n  mine: { file: a.gguf, emulate: true }\n",
      /mine\.emulate: `emulate` is for a model of an engine elsewhere/,
    ],
    [
      "no address",
      "engines:\n  gpu: { kind: vllm, url: 10.0.0.5 }\n",
      /gpu\.url: expected http:\/\/HOST:PORT .* found "10\.0\.0\.5"/,
    ],
    [
      "a password",
      "engines:\n  gpu: { kind: vllm, url: http://me:pw@a }\n",
      /gpu\.url: an address with a user or password .*api_key_env`$/,
    ],
    [
      "a key that is not there",
      `${PEER.replace(" }", ", api_key_env: K }")}`,
      /gpu\.api_key_env: the environment has no variable K; set it/,
    ],
    [
      "half a certificate",
      `${PEER.replace(" }", ", tls: { cert: a.gguf } }")}`,
      /gpu\.tls\.cert: `cert` and `key` belong together/,
    ],
    [
      "a file that is not there",
      `${PEER.replace(" }", ", tls: { ca: ca.pem } }")}`,
      /gpu\.tls\.ca: there is no file \/etc\/continuo\/ca\.pem/,
    ],
    [
      "an engine that is not there",
      `${PEER}models: { a: { engine: gpus } }\n`,
      /a\.engine: no engine is named "gpus"; did you mean "gpu"\?/,
    ],
    [
      "no engine at all",
      "models: { a: { engine: gpu } }\n",
      /a\.engine: no engine is named "gpu"; add it under `engines:`/,
    ],
    [
      "what only files have",
      `${PEER}models: { a: { engine: gpu, threads: 2 } }\n`,
      /a\.threads: this is for models of this machine/,
    ],
    [
      "their name without an engine",
      "models: { a: { file: a.gguf, model: b } }\n",
      /a\.model: .* needs `engine: NAME`/,
    ],
  ])("%s is said with its place and what to do", (_what, source, expected) => {
    expect(problems(source).join("\n")).toMatch(expected);
  });
});

describe("--engine", () => {
  test("takes libraries, and engines elsewhere, each a model of its own name behind those of this machine", () => {
    const engine = ["cpu", "llama-server=http://a:1", "vllm=https://b/v1", "llama-server=http://c:2"];

    const config = load("models: { first: a.gguf }\n", { engine });

    expect(config.engine).toBe("cpu");
    expect(config.engines.map(({ name, kind, url }) => [name, kind, url])).toEqual([
      ["llama-server", "llama-server", "http://a:1"],
      ["vllm", "vllm", "https://b/v1"],
      ["llama-server-2", "llama-server", "http://c:2"],
    ]);
    expect(config.models.map(({ kind, name }) => [kind, name])).toEqual([
      ["file", "first"],
      ["engine", "llama-server"],
      ["engine", "vllm"],
      ["engine", "llama-server-2"],
    ]);
  });

  test("goes over the variable, which takes several separated by commas", () => {
    const variable = { CONTINUO_ENGINE: "cpu, openai=http://a" };

    expect(load("", {}, variable)).toMatchObject({ engine: "cpu", engines: [{ kind: "openai", url: "http://a" }] });
    expect(load("", { engine: ["vulkan"] }, variable)).toMatchObject({ engine: "vulkan", engines: [] });
  });

  test("keeps what the file says besides of an engine of that name", () => {
    const source = "engines:\n  vllm: { kind: vllm, url: http://a, timeouts: { idle_ms: 5 } }\n";

    expect(load(source, { engine: ["vllm=http://b"] }).engines).toMatchObject([
      { url: "http://b", limits: { idleMs: 5 } },
    ]);
  });

  test.each([
    [
      "vlm=http://a",
      /^--engine vlm=http:\/\/a: engines\.vlm\.kind: expected llama-server, vllm, .*openai, found "vlm"/,
    ],
    ["vllm=nowhere", /^--engine vllm=nowhere: engines\.vllm\.url: expected http:/],
    ["rocm", /^--engine: engine: expected auto, cpu, cuda or vulkan/],
  ])("%s is refused with what was expected", (engine, expected) => {
    expect(problems("", { engine: [engine] }).join("\n")).toMatch(expected);
  });
});
