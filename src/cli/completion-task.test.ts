import { describe, expect, test } from "vitest";
import { type CompleteOptions, requestOf, type Task, type Texts, taskFrom } from "./completion-task.ts";

const FILES: Record<string, Uint8Array> = {
  "a.py": Buffer.from("def f():\n    pass\n"),
  "rest.py": Buffer.from("\nreturn x\n"),
  "bom.txt": Buffer.from("\ufeffab"),
  "latin1.txt": Buffer.from([0x61, 0xe9, 0x62]),
};

function texts(stdin?: string): Texts {
  return {
    readFile: async (path) => {
      const bytes = FILES[path];
      if (bytes === undefined) throw new Error("ENOENT");
      return bytes;
    },
    readStdin: async () => Buffer.from(stdin ?? ""),
    isStdinTerminal: stdin === undefined,
  };
}

function task(location: string | undefined, options: Partial<CompleteOptions> = {}, stdin?: string): Promise<Task> {
  return taskFrom(location, { maxTokens: 256, ...options }, texts(stdin));
}

describe("what is to be continued", () => {
  test("a cursor splits its file", async () => {
    expect(await task("a.py:2:5")).toEqual({ kind: "text", prefix: "def f():\n    ", suffix: "pass\n" });
  });

  test("standard input is the prefix, a file may be the suffix", async () => {
    expect(await task(undefined, {}, "ab ")).toEqual({ kind: "text", prefix: "ab ", suffix: "" });
    expect(await task("-", { suffix: "rest.py" }, "ab ")).toEqual({
      kind: "text",
      prefix: "ab ",
      suffix: "\nreturn x\n",
    });
  });

  test("a prompt is the prefix, even when something is piped in", async () => {
    expect(await task(undefined, { prompt: "x = " }, "other")).toEqual({ kind: "text", prefix: "x = ", suffix: "" });
  });

  test("a suffix without a prefix is the top of a file", async () => {
    expect(await task("a.py:1:1")).toMatchObject({ prefix: "", suffix: "def f():\n    pass\n" });
  });

  test("a dialogue with the beginning of its answer is Partial Mode", async () => {
    expect(await task(undefined, { system: "s", user: "u", prefix: "p " })).toEqual({
      kind: "chat",
      messages: [
        { role: "system", content: "s" },
        { role: "user", content: "u" },
        { role: "assistant", content: "p ", partial: true },
      ],
    });
  });

  test("a byte order mark is no text", async () => {
    expect(await task("bom.txt:1:2")).toMatchObject({ prefix: "a", suffix: "b" });
  });

  test.each<[string, string | undefined, Partial<CompleteOptions>, string | undefined, RegExp]>([
    ["nothing said, nothing piped", undefined, {}, undefined, /say what to continue/],
    ["an empty pipe", undefined, {}, "", /nothing to continue/],
    ["two sources", "a.py:1:1", { prompt: "x" }, undefined, /choose one of FILE:LINE:COLUMN and --prompt/],
    ["a prefix without a question", undefined, { prefix: "x" }, undefined, /need --user/],
    ["a suffix in a dialogue", undefined, { user: "u", suffix: "rest.py" }, undefined, /no meaning in a dialogue/],
    ["a suffix beside a cursor", "a.py:1:1", { suffix: "rest.py" }, undefined, /the rest of the file is the suffix/],
    ["a file that is not there", "b.py:1:1", {}, undefined, /cannot read b\.py \(ENOENT\)/],
    ["a file in another encoding", "latin1.txt:1:1", {}, undefined, /latin1\.txt is not UTF-8 text/],
  ])("%s is refused", async (_name, location, options, stdin, message) => {
    await expect(task(location, options, stdin)).rejects.toThrow(message);
  });
});

describe("the request", () => {
  test("says nothing that was not asked for", () => {
    expect(requestOf({ kind: "text", prefix: "a", suffix: "" }, "m", { maxTokens: 9 })).toEqual({
      path: "/v1/completions",
      body: { model: "m", max_tokens: 9, prompt: "a" },
    });
  });

  test("carries every setting that was", () => {
    const options: CompleteOptions = { maxTokens: 9, temperature: 0, seed: 0, stop: ["x"] };

    expect(requestOf({ kind: "text", prefix: "a", suffix: "b" }, "m", options).body).toEqual({
      model: "m",
      max_tokens: 9,
      temperature: 0,
      seed: 0,
      stop: ["x"],
      prompt: "a",
      suffix: "b",
    });
    expect(requestOf({ kind: "chat", messages: [] }, "m", options).path).toBe("/v1/chat/completions");
  });
});
