import { describe, expect, test } from "vitest";
import { catalogueFrom } from "../config/catalogue.ts";
import { nearest } from "../config/nearest.ts";
import { type HubId, hubsFrom } from "./hub.ts";
import { parseReference, pullableNames, type Reference } from "./reference.ts";

const CATALOGUE = catalogueFrom({
  "my-coder": { like: "qwen2.5-coder-7b-instruct", gguf: "me/my-coder-GGUF" },
});

function parse(text: string, preferred: HubId = "hf", env: Readonly<Record<string, string>> = {}): Reference {
  const isFile = (path: string): boolean => ["/models/a.gguf", "hf:odd"].includes(path);
  return parseReference(text, { catalogue: CATALOGUE, hubs: hubsFrom(env), preferred, isFile, nearest });
}

/** Without the hub itself, which is no plain data. */
function facts(reference: Reference): object {
  if (reference.kind !== "repository") return reference;
  const { hub, ...rest } = reference;
  return { ...rest, hub: hub.id };
}

test("the model of the package needs no pulling", () => {
  expect(() => parse("continuo-135m")).toThrow("continuo-135m comes with the package: there is nothing to pull");
});

describe("what names a model", () => {
  test.each([
    [
      "qwen2.5-coder-7b-instruct",
      {
        hub: "hf",
        repository: "Qwen/Qwen2.5-Coder-7B-Instruct-GGUF",
        revision: "main",
        catalogueName: "qwen2.5-coder-7b-instruct",
      },
    ],
    [
      "qwen2.5-0.5b-instruct:q8_0",
      {
        hub: "hf",
        repository: "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        revision: "main",
        catalogueName: "qwen2.5-0.5b-instruct",
        pick: "q8_0",
      },
    ],
    ["hf:owner/repo", { hub: "hf", repository: "owner/repo", revision: "main" }],
    ["ms:owner/repo:q4_k_m", { hub: "ms", repository: "owner/repo", revision: "master", pick: "q4_k_m" }],
    ["hf:owner/repo:x/y.gguf", { hub: "hf", repository: "owner/repo", revision: "main", pick: "x/y.gguf" }],
    [
      "https://huggingface.co/owner/repo/resolve/v1/x%20y.gguf?download=true",
      { hub: "hf", repository: "owner/repo", revision: "v1", pick: "x y.gguf" },
    ],
    [
      "https://www.modelscope.cn/models/owner/repo/resolve/master/m.gguf",
      { hub: "ms", repository: "owner/repo", revision: "master", pick: "m.gguf" },
    ],
  ])("%s", (text, expected) => {
    expect(facts(parse(text))).toEqual({ kind: "repository", ...expected });
  });

  test("catalogue names come from the hub that is preferred", () => {
    expect(facts(parse("qwen2.5-7b-instruct", "ms"))).toMatchObject({
      hub: "ms",
      repository: "Qwen/Qwen2.5-7B-Instruct-GGUF",
      revision: "master",
    });
  });

  test("any other address, and a file that is there", () => {
    expect(parse("https://example.org/m.gguf")).toMatchObject({ kind: "address" });
    expect(parse("/models/a.gguf")).toEqual({ kind: "file", path: "/models/a.gguf" });
    expect(parse("hf:odd")).toMatchObject({ kind: "file" });
  });
});

describe("what names nothing", () => {
  test.each([
    ["qwen-plus", /qwen-plus has no public weights; pull an open model, such as qwen2\.5-7b-instruct/],
    ["qwen-coder-turbo", /such as qwen2\.5-coder-7b-instruct/],
    ["qwen2.5-codr-7b-instruct", /did you mean qwen2\.5-coder-7b-instruct\?/],
    ["llama", /"llama" is no name of the catalogue; `continuo models --available` lists the names/],
    ["owner/repo", /write hf:owner\/repo \(Hugging Face\) or ms:owner\/repo/],
    ["./gone.gguf", /there is no file \.\/gone\.gguf; check the path/],
    ["hf:repo", /expected hf:OWNER\/REPOSITORY/],
    ["hf:../..", /expected hf:OWNER\/REPOSITORY/],
    ["ms:", /expected ms:OWNER\/REPOSITORY/],
    ["https://", /is no web address/],
    ["https://me:secret@example.org/m.gguf", /name and password in it is not taken/],
  ])("%s", (text, expected) => {
    expect(() => parse(text)).toThrow(expected);
  });
});

describe("mirrors and tokens", () => {
  test.each([
    [{}, "https://huggingface.co", "https://www.modelscope.cn"],
    [{ HF_ENDPOINT: "https://hf-mirror.com/" }, "https://hf-mirror.com", "https://www.modelscope.cn"],
    [{ MODELSCOPE_ENDPOINT: "https://modelscope.ai" }, "https://huggingface.co", "https://modelscope.ai"],
    [{ MODELSCOPE_DOMAIN: "modelscope.ai" }, "https://huggingface.co", "https://modelscope.ai"],
    [{ MODELSCOPE_ENDPOINT: "http://mine", MODELSCOPE_DOMAIN: "other" }, "https://huggingface.co", "http://mine"],
  ])("%j", (env, hf, ms) => {
    const hubs = hubsFrom(env);

    expect([hubs.hf.endpoint, hubs.ms.endpoint]).toEqual([hf, ms]);
  });

  test("tokens are sent as each hub reads them, and an empty one is none", () => {
    const hubs = hubsFrom({ HF_TOKEN: " hf_x\n", MODELSCOPE_API_TOKEN: "ms-x" });

    expect(hubs.hf.secrets).toEqual({ authorization: "Bearer hf_x" });
    expect(hubs.ms.secrets).toEqual({ authorization: "Bearer ms-x", cookie: "m_session_id=ms-x" });
    expect(hubsFrom({ HF_TOKEN: "" }).hf.secrets).toEqual({});
    expect(hubsFrom({ HUGGING_FACE_HUB_TOKEN: "old" }).hf.secrets).toEqual({ authorization: "Bearer old" });
  });
});

test("names with open weights can be pulled, the operator's own too", () => {
  const names = new Map(pullableNames(CATALOGUE).map(({ name, repository }) => [name, repository]));

  expect(names.get("qwen2.5-coder-0.5b-instruct")).toBe("Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF");
  expect(names.get("qwen3-coder-30b-a3b-instruct")).toBe("unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF");
  expect(names.get("my-coder")).toBe("me/my-coder-GGUF");
  expect(names.has("qwen-plus")).toBe(false);
  expect(facts(parse("my-coder:q8_0"))).toMatchObject({ repository: "me/my-coder-GGUF", pick: "q8_0" });
});
