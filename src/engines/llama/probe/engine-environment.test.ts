import { expect, onTestFinished, test, vi } from "vitest";
import { asking, never, tinyEngines } from "../../../../test/support/tiny-engine.ts";
import { collect } from "../../../continuation/output.ts";
import { engineEnvironment } from "./engine-environment.ts";

const { start, program } = tinyEngines();

test("what the loader, the libraries and the drivers read is passed on", () => {
  const read = {
    PATH: "/bin",
    LD_LIBRARY_PATH: "/opt/lib",
    DYLD_LIBRARY_PATH: "/opt/lib",
    CUDA_VISIBLE_DEVICES: "1",
    HIP_VISIBLE_DEVICES: "0",
    GGML_VK_VISIBLE_DEVICES: "0",
    VK_ICD_FILENAMES: "/etc/icd.json",
    SystemRoot: "C:\\Windows",
    "ProgramFiles(x86)": "C:\\Program Files (x86)",
    TEMP: "C:\\Temp",
    TZ: "Asia/Shanghai",
    LC_ALL: "C.UTF-8",
  };

  expect(engineEnvironment(read)).toEqual(read);
});

test("keys, passwords and everything that no library reads is not", () => {
  const kept = {
    CONTINUO_API_KEY: "sk-1",
    CONTINUO_DATABASE: "postgres://a:b@c/d",
    DATABASE_URL: "postgres://a:b@c/d",
    DASHSCOPE_API_KEY: "sk-2",
    HF_TOKEN: "hf_1",
    AWS_SECRET_ACCESS_KEY: "x",
    NVIDIA_API_KEY: "nvapi-1",
    AMD_TOKEN: "x",
    NODE_OPTIONS: "--require ./server-hook.js",
    ANYTHING: "else",
    TMP: undefined,
  };

  expect(engineEnvironment(kept)).toEqual({});
});

test("an engine process sees no key of its server", async () => {
  vi.stubEnv("CONTINUO_API_KEY", "sk-of-the-server");
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  const source = `process.on("message", () => process.send({ type: "failed",
    message: "PATH: " + ("PATH" in process.env) + ", key: " + ("CONTINUO_API_KEY" in process.env) }));`;

  const answer = collect(start({ script: program("prints-environment", source) }).generate(asking("x"), never));

  await expect(answer).rejects.toThrow("PATH: true, key: false");
});
