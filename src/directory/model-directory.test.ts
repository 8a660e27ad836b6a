import { describe, expect, test } from "vitest";
import { directoryOf, never, served } from "../../test/support/described-weights.ts";
import { gate } from "../../test/support/scripted-engine.ts";
import type { ModelDirectory } from "./model-directory.ts";

async function answering(
  directory: ModelDirectory,
  name: string,
  wanted: "text" | "infill" | "chat" = "text",
): Promise<string> {
  const [{ card, engine }] = await directory.open(name, wanted, never);
  expect(card.answeredBy.id).toBe(engine.name);
  expect(card.answeredBy.model).toBeDefined();
  expect(card.name).toBe(name);
  return `${engine.name}${card.answeredBy.standIn ? " for it" : ""}`;
}

describe("who answers", () => {
  test("weights of the name itself, or those that the configuration maps it to", async () => {
    const mappings = new Map([
      ["qwen-plus", "second"],
      ["mine", "second"],
    ]);
    const directory = directoryOf([served("first"), served("second"), served("qwen-coder")], { mappings });

    expect(await answering(directory, "second")).toBe("second");
    expect(await answering(directory, "mine", "chat")).toBe("second");
    expect(await answering(directory, "qwen-plus", "chat")).toBe("second");
    expect(await answering(directory, "qwen-coder", "infill")).toBe("qwen-coder");
  });

  test("else the first weights, and the card says that they stand in", async () => {
    const directory = directoryOf([served("first"), served("second")]);

    expect(await answering(directory, "qwen-plus", "chat")).toBe("first for it");
    expect(await answering(directory, "qwen-coder-alias")).toBe("first for it");
  });

  test("else the default that was named, for everything, with or without a layout", async () => {
    const weights = [served("first"), served("second", { noFim: true })];
    const directory = directoryOf(weights, { defaultName: "second" });

    expect(await answering(directory, "qwen-plus", "chat")).toBe("second for it");
    expect(await answering(directory, "qwen-coder", "infill")).toBe("second for it");
  });

  test("an infill goes to the first weights with a layout", async () => {
    const directory = directoryOf([served("plain", { noFim: true }), served("coder"), served("other")]);

    expect(await answering(directory, "qwen-coder", "infill")).toBe("coder for it");
    expect(await answering(directory, "qwen-coder", "text")).toBe("plain for it");
  });

  test("an infill goes to the first weights when none has a layout", async () => {
    const directory = directoryOf([served("plain", { noFim: true }), served("bare", { noFim: true })]);

    expect(await answering(directory, "qwen-coder", "infill")).toBe("plain for it");
  });

  test("an infill for a name of its own stays there, layout or not", async () => {
    const directory = directoryOf([served("plain", { noFim: true }), served("coder")]);

    expect(await answering(directory, "plain", "infill")).toBe("plain");
  });

  test("broken weights are passed over while looking for a layout, and named when asked for", async () => {
    const directory = directoryOf([served("broken", { broken: "broken.gguf cannot be used" }), served("coder")]);

    expect(await answering(directory, "qwen-coder", "infill")).toBe("coder for it");
    await expect(directory.open("broken", "infill", never)).rejects.toThrow("broken.gguf cannot be used");
    await expect(directory.open("qwen-coder", "text", never)).rejects.toThrow("broken.gguf cannot be used");
  });

  test("whoever leaves while weights are loading waits no longer", async () => {
    const loading = gate();
    const directory = directoryOf([
      served("slow", { loading: loading.opened }),
      served("slower", { loading: loading.opened }),
    ]);
    const leave = new AbortController();
    const opening = [
      directory.open("qwen-coder", "infill", leave.signal),
      directory.open("slow", "text", leave.signal),
    ];

    leave.abort(new Error("gone"));

    for (const each of opening) await expect(each).rejects.toThrow("gone");
    loading.open();
    expect(await answering(directory, "qwen-coder", "infill")).toBe("slow for it");
  });
});

describe("nobody answers", () => {
  test("without any model the message says how to get one", async () => {
    const failure = directoryOf([]).open("qwen-plus", "chat", never);

    await expect(failure).rejects.toMatchObject({ code: "model_unavailable", detail: { model: "qwen-plus" } });
    await expect(failure).rejects.toThrow(/--model FILE/);
  });

  test("when strict, names without a mapping; the message says what there is", async () => {
    const directory = directoryOf([served("first"), served("second")], {
      strict: true,
      mappings: new Map([["qwen-plus", "second"]]),
      defaultName: "first",
    });

    const failure = directory.open("qwen-coder", "text", never);

    await expect(failure).rejects.toMatchObject({ code: "model_unavailable" });
    await expect(failure).rejects.toThrow(/qwen-coder is unavailable.*strict.*first, second/);
    expect(await answering(directory, "qwen-plus", "chat")).toBe("second");
    expect(await answering(directory, "first")).toBe("first");
  });
});

describe("names", () => {
  test("the catalogue's, the weights', mapped ones, each once and in this order", () => {
    const mappings = new Map([
      ["mine", "first"],
      ["qwen-plus", "first"],
    ]);
    const directory = directoryOf([served("first"), served("qwen-coder")], { mappings });

    expect(directory.list().map(({ name }) => name)).toEqual(["qwen-coder", "qwen-plus", "first", "mine"]);
  });

  test("another spelling of a catalogue name is known, anything else is not", () => {
    const directory = directoryOf([served("first")]);

    expect(directory.find("qwen-plus-alias")).toMatchObject({ name: "qwen-plus-alias", catalogued: true });
    expect(directory.find("gpt-4")).toBeUndefined();
    expect(directory.find("")).toBeUndefined();
  });

  test("the catalogue is known without any model, answered by nobody", () => {
    const card = directoryOf([]).find("qwen-plus");

    expect(card).toMatchObject({ completions: false, partial: true, maxInputTokens: 30_720, maxOutputTokens: 8_192 });
    expect(card?.answeredBy).toEqual({ id: "", standIn: true });
  });

  test("who can fill in the middle is known once the weights are loaded", async () => {
    const mappings = new Map([
      ["mine", "coder"],
      ["theirs", "plain"],
    ]);
    const directory = directoryOf([served("plain", { noFim: true }), served("coder")], { mappings });
    await answering(directory, "coder");
    await answering(directory, "plain");

    expect(directory.infillNames()).toEqual(["coder", "mine"]);
    expect(directory.find("coder")?.answeredBy.model?.fim).toBe("qwen");
  });
});
