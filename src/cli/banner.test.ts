import { expect, test } from "vitest";
import { loadConfig } from "../config/load.ts";
import type { Flags } from "../config/settings.ts";
import { BUILT_IN_FILE } from "../models/built-in.ts";
import type { RunningModel } from "../server.ts";
import { type Announced, banner } from "./banner.ts";

const URL = "http://127.0.0.1:8100";

function configWith(flags: Flags, env: Record<string, string> = {}, pulled: Record<string, string> = {}) {
  const files = {
    readFile: () => "",
    isFile: () => true,
    pulledModels: () => new Map(Object.entries(pulled)),
    builtInFile: () => undefined,
  };
  return loadConfig(flags, { env, cwd: "/", home: "/", platform: "linux", ...files });
}

const TINY: RunningModel = {
  name: "tiny",
  slots: 4,
  health: { state: "ready", detail: "process 1" },
  facts: {
    model: { id: "tiny", contextTokens: 8192, fim: "qwen", chat: true, vocabularySize: 300, defaults: {} },
    memoryBytes: 90 << 20,
  },
};

function serverWith(models: readonly RunningModel[], over: Partial<Announced> = {}): Announced {
  return {
    url: URL,
    models: () => models,
    memory: () => ({ budgetBytes: 1000 << 20, takenBytes: 90 << 20, loads: 1, unloads: 0, loadSeconds: 1 }),
    isOpen: true,
    device: { note: "the platform's own libraries", fellBack: false },
    ...over,
  };
}

test("says who answers, how much fits, and a request to paste", () => {
  const lines = banner(configWith({ model: ["tiny.gguf"] }), serverWith([TINY])).join("\n");

  expect(lines).toContain(
    "tiny\n  loaded, 4 slots of 8192 tokens, about 90 MiB\n  fill-in-the-middle (qwen), chat and Partial Mode",
  );
  expect(lines).toContain("stands in for every catalogue name");
  expect(lines).toContain(`Listening on ${URL} (reference: ${URL}/docs). Ctrl-C stops.`);
  expect(lines).toContain("Memory: about 90 MiB of 1000 MiB in use.");
  expect(lines).toContain(`curl ${URL}/compatible-mode/v1/completions \\\n  -H "Content-Type: application/json"`);
});

test("the request's body is JSON that a shell takes between single quotes", () => {
  const last = banner(configWith({ model: ["tiny.gguf"] }), serverWith([TINY])).at(-2) ?? "";
  const body = /^ {2}-d '([^']*)'$/.exec(last)?.[1] ?? "";

  expect(JSON.parse(body)).toEqual({
    model: "qwen2.5-coder-32b-instruct",
    prompt: "<|fim_prefix|>def quick_sort(arr):<|fim_suffix|>",
    max_tokens: 64,
  });
});

test("strict: no stand-in, and the sample calls the model by its own name", () => {
  const lines = banner(configWith({ model: ["tiny.gguf"], strict: true }), serverWith([TINY])).join("\n");

  expect(lines).not.toContain("stands in");
  expect(lines).toContain('{"model":"tiny"');
});

test("with keys the sample carries one from the environment, never the key itself", () => {
  const lines = banner(
    configWith({ model: ["tiny.gguf"] }, { CONTINUO_API_KEY: "sk-secret" }),
    serverWith([TINY], { isOpen: false }),
  ).join("\n");

  expect(lines).toContain(`Listening on ${URL} (a key is needed; `);
  expect(lines).not.toContain("keys create");
  expect(lines).toContain('-H "Authorization: Bearer $CONTINUO_API_KEY"');
  expect(lines).not.toContain("sk-secret");
});

test("without keys it says how to create the first one, and where it will be kept", () => {
  const lines = banner(configWith({ model: ["tiny.gguf"], dataDir: "/data" }), serverWith([TINY])).join("\n");
  const url = "postgres://me:pass-word@db.example:5432/continuo";
  const shared = banner(configWith({ model: ["tiny.gguf"] }, { CONTINUO_DATABASE: url }), serverWith([TINY])).join(
    "\n",
  );
  const unkept = banner(configWith({ model: ["tiny.gguf"] }, { CONTINUO_DATABASE: "memory" }), serverWith([TINY]));

  expect(lines).toMatch(/^ {2}continuo keys create .*kept in \/data\/continuo\.db$/m);
  expect(shared).toContain("kept in postgres://db.example:5432/continuo");
  expect(shared).not.toContain("pass-word");
  expect(unkept.join("\n")).not.toContain("keys create");
});

test("the model of the package is called small, and larger ones are one command away", () => {
  const served = { ...TINY, name: "continuo-135m" };
  const own = { "continuo-135m": BUILT_IN_FILE };

  const alone = banner(configWith({}, {}, own), serverWith([served])).join("\n");
  const second = banner(configWith({}, {}, { tiny: "/tiny.gguf", ...own }), serverWith([TINY, served])).join("\n");

  expect(alone).toMatch(/^continuo-135m\n.*\n.*\n {2}comes with Continuo: small/m);
  expect(alone).toContain("continuo pull qwen2.5-coder-1.5b-instruct");
  expect(second).toContain("comes with Continuo: small");
  expect(second).not.toContain("continuo pull");
});

test("without a model it says how to get one and what requests get", () => {
  const lines = banner(configWith({}), serverWith([])).join("\n");

  expect(lines).toContain("requests get 503");
  expect(lines).toContain("npm start -- --model FILE");
});

test("a model that cannot be loaded is named with the reason, and the sample calls another", () => {
  const broken = {
    name: "broken",
    slots: 4,
    health: { state: "failed", detail: "broken.gguf is incomplete" },
  } as const;
  const config = configWith({ model: ["broken.gguf", "tiny.gguf"], strict: true });
  const lines = banner(config, serverWith([broken, TINY])).join("\n");

  expect(lines).toContain("broken\n  cannot be served: broken.gguf is incomplete");
  expect(lines).toContain('{"model":"tiny"');
});

test("a model that waits for its first request says so", () => {
  const waiting = { ...TINY, health: { state: "unloaded", detail: "" } } as const;

  expect(banner(configWith({ model: ["tiny.gguf"] }), serverWith([waiting])).join("\n")).toContain(
    "loaded on first use,",
  );
});

test("a GPU that was to be used and is not is said plainly", () => {
  const device = { note: "no GPU is used, the processor does the work (vulkan: no driver)", fellBack: true };

  expect(banner(configWith({ model: ["tiny.gguf"] }), serverWith([TINY], { device }))).toContain(
    "Attention: no GPU is used, the processor does the work (vulkan: no driver)",
  );
});

test("of a Unix socket says its permissions, and how curl gets there", () => {
  const config = configWith({ model: ["tiny.gguf"], host: "/run/user/my server.sock", socketMode: "0660" });
  const lines = banner(config, serverWith([TINY], { url: "unix:/run/user/my server.sock" })).join("\n");

  expect(lines).toContain("Listening on unix:/run/user/my server.sock (mode 0660). Ctrl-C stops.");
  expect(lines).toContain(
    "curl --unix-socket '/run/user/my server.sock' http://localhost/compatible-mode/v1/completions",
  );
});

test("warns of names under which everybody may call", () => {
  const config = configWith({ model: ["tiny.gguf"], allowedHost: ["llm.example"] });
  const warning = "everyone who reaches the server as llm.example may call it without a key";

  expect(banner(config, serverWith([TINY])).join("\n")).toContain(warning);
  expect(banner(config, serverWith([TINY], { isOpen: false })).join("\n")).not.toContain(warning);
});
