import { describe, expect, test } from "vitest";
import { gate, SCRIPTED_MODEL, ScriptedEngine, saying } from "../../test/support/scripted-engine.ts";
import type { EngineModel } from "../continuation/engine.ts";
import { ServiceError } from "../errors.ts";
import { type DirectoryOptions, type KnownName, ModelDirectory, type ServedWeights } from "./model-directory.ts";

const never = new AbortController().signal;

/** An engine whose weights are described by the test, or never come up. */
class Described extends ScriptedEngine {
  readonly #facts: Promise<EngineModel>;

  constructor(name: string, facts: Promise<EngineModel>) {
    super(() => saying(["text"]), name);
    this.#facts = facts;
    facts.catch(() => {});
  }

  override model(signal: AbortSignal = never): Promise<EngineModel> {
    return new Promise((resolve, reject) => {
      const leave = (): void => reject(signal.reason);
      signal.addEventListener("abort", leave, { once: true });
      this.#facts.then(resolve, reject).finally(() => signal.removeEventListener("abort", leave));
    });
  }
}

function without<K extends keyof EngineModel>(key: K): EngineModel {
  const { [key]: _, ...rest } = SCRIPTED_MODEL;
  return rest as EngineModel;
}

interface Served extends Partial<Omit<ServedWeights, "name" | "engine">> {
  readonly facts?: Partial<EngineModel>;
  readonly noFim?: boolean;
  readonly broken?: string;
  readonly loading?: Promise<unknown>;
}

function served(name: string, { facts, noFim = false, broken, loading, ...rest }: Served = {}): ServedWeights {
  const known = { ...(noFim ? without("fim") : SCRIPTED_MODEL), id: name, ...facts };
  const outcome =
    broken === undefined
      ? (loading ?? Promise.resolve()).then(() => known)
      : Promise.reject(new ServiceError("model_unavailable", broken));
  return { name, engine: new Described(name, outcome), sampling: {}, ...rest };
}

function known(name: string, over: Partial<KnownName> = {}): KnownName {
  return {
    name,
    completions: true,
    partial: true,
    contextTokens: 32_768,
    maxInputTokens: 30_720,
    maxOutputTokens: 8_192,
    defaults: { temperature: 0.3, repetitionPenalty: 1.1 },
    ...over,
  };
}

const CODER = known("qwen-coder");
const PLUS = known("qwen-plus", { completions: false });

function directoryOf(weights: readonly ServedWeights[], over: Partial<DirectoryOptions> = {}): ModelDirectory {
  const names = [CODER, PLUS];
  return new ModelDirectory({
    known: names,
    lookUp: (name) => names.find((each) => each.name === name || `${each.name}-alias` === name),
    weights,
    mappings: new Map(),
    strict: false,
    ...over,
  });
}

async function answering(
  directory: ModelDirectory,
  name: string,
  wanted: "text" | "infill" | "chat" = "text",
): Promise<string> {
  const { card, engine } = await directory.open(name, wanted, never);
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

describe("what a name can do", () => {
  test("the catalogue's lists bind its names, whoever answers", async () => {
    const weights = [served("first", { completions: true, maxInputTokens: 32_000, facts: { contextTokens: 65_536 } })];
    const { card } = await directoryOf(weights).open("qwen-plus", "chat", never);

    expect(card).toMatchObject({ catalogued: true, completions: false, partial: true, maxInputTokens: 30_720 });
  });

  test("what the operator takes away from weights, their stand-in lacks too", async () => {
    const weights = [served("first", { partial: false, maxInputTokens: 100 })];
    const { card } = await directoryOf(weights).open("qwen-coder", "text", never);

    expect(card).toMatchObject({ completions: true, partial: false, maxInputTokens: 100 });
  });

  test("the operator's word counts for a name that was mapped", async () => {
    const directory = directoryOf(
      [served("first", { completions: true, maxInputTokens: 31_000, facts: { contextTokens: 65_536 } })],
      {
        mappings: new Map([["qwen-plus", "first"]]),
      },
    );
    const { card } = await directory.open("qwen-plus", "chat", never);

    expect(card).toMatchObject({ catalogued: true, completions: true, maxInputTokens: 31_000 });
  });

  test("any other name can do what its weights can", async () => {
    const directory = directoryOf([served("chatty"), served("mute", { facts: { chat: false } })]);

    expect((await directory.open("chatty", "text", never)).card).toMatchObject({
      catalogued: false,
      completions: true,
      partial: true,
      answeredBy: { standIn: false },
    });
    expect((await directory.open("mute", "text", never)).card).toMatchObject({ completions: true, partial: false });
  });

  test("limits are the catalogue's, lowered to what the weights hold with one token to spare", async () => {
    const small = directoryOf([served("first", { facts: { contextTokens: 4_096 } })]);
    const large = directoryOf([served("first", { facts: { contextTokens: 1_000_000 } })]);

    expect((await small.open("qwen-coder", "text", never)).card).toMatchObject({
      contextTokens: 4_096,
      maxInputTokens: 4_095,
      maxOutputTokens: 4_095,
    });
    expect((await large.open("qwen-coder", "text", never)).card).toMatchObject({
      contextTokens: 32_768,
      maxInputTokens: 30_720,
      maxOutputTokens: 8_192,
    });
    expect((await large.open("first", "text", never)).card).toMatchObject({
      contextTokens: 1_000_000,
      maxInputTokens: 999_999,
      maxOutputTokens: 999_999,
    });
  });

  test("limits of the configuration never exceed what the weights hold", async () => {
    const weights = [served("first", { facts: { contextTokens: 1_000 }, maxInputTokens: 5_000, maxOutputTokens: 10 })];

    expect((await directoryOf(weights).open("first", "text", never)).card).toMatchObject({
      maxInputTokens: 999,
      maxOutputTokens: 10,
    });
  });

  test("sampling defaults: the weights', else the catalogue's for its names, else ours; the operator's over all", async () => {
    const weights = [
      served("first", { facts: { defaults: { temperature: 0.2, minP: 0.1 } }, sampling: { topK: 7 } }),
      served("bare"),
    ];
    const directory = directoryOf(weights);

    expect((await directory.open("qwen-coder", "text", never)).card.defaults).toEqual({
      temperature: 0.2,
      minP: 0.1,
      repetitionPenalty: 1.1,
      topK: 7,
    });
    expect((await directory.open("first", "text", never)).card.defaults).toEqual({
      temperature: 0.2,
      topP: 0.8,
      topK: 7,
      minP: 0.1,
      repetitionPenalty: 1,
    });
    expect((await directory.open("bare", "text", never)).card.defaults).toEqual({
      temperature: 0.7,
      topP: 0.8,
      topK: 20,
      repetitionPenalty: 1,
    });
  });
});
