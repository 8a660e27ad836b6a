import { describe, expect, test } from "vitest";
import { configuredKeys } from "../../test/support/authenticators.ts";
import { SCRIPTED_MODEL, ScriptedEngine, saying, scriptedCard } from "../../test/support/scripted-engine.ts";
import { post, serve } from "../../test/support/scripted-service.ts";
import { modelEntry, modelList } from "../wire/openai/models.ts";

const engine = () => new ScriptedEngine(() => saying(["a"]));
const { fim: _, ...withoutFim } = SCRIPTED_MODEL;
const cards = [
  scriptedCard("coder"),
  scriptedCard("org/plain", { partial: false, answeredBy: { id: "other", standIn: true, model: withoutFim } }),
  scriptedCard("gone", { answeredBy: { id: "", standIn: false } }),
];

test.each(["/compatible-mode/v1/models", "/v1/models", "/v1/models/"])("%s lists every name", async (path) => {
  const { url } = await serve(engine(), { cards });

  const list = modelList.parse(await (await fetch(url + path)).json());

  expect(list.data.map(({ id, continuo }) => [id, continuo.answered_by, continuo.state])).toEqual([
    ["coder", "scripted-weights", "ready"],
    ["org/plain", "other", "ready"],
    ["gone", null, "unavailable"],
  ]);
});

test("a model says what it can do and who answers to it", async () => {
  const { url } = await serve(engine(), { cards });

  const model: unknown = await (await fetch(`${url}/v1/models/coder`)).json();

  expect(model).toMatchObject({
    id: "coder",
    object: "model",
    owned_by: "system",
    continuo: {
      capabilities: { completions: true, fim: true, fim_family: "qwen", suffix: true, partial: true, chat: true },
      context_length: 4096,
      max_input_tokens: 4000,
      max_output_tokens: 2048,
      answered_by: "scripted-weights",
      stand_in: false,
      state: "ready",
    },
  });
});

test.each(["org/plain", "org%2Fplain"])("a name with a slash is found as %s", async (name) => {
  const { url } = await serve(engine(), { cards });

  const model: unknown = await (await fetch(`${url}/compatible-mode/v1/models/${name}`)).json();

  expect(model).toMatchObject({
    id: "org/plain",
    continuo: { capabilities: { fim: false, fim_family: null, suffix: false, partial: false }, stand_in: true },
  });
});

test("weights that are loading show as loading", async () => {
  const loading = engine();
  loading.setHealth({ state: "loading", detail: "40 %" });
  const unknown = { contextTokens: Number.POSITIVE_INFINITY, maxInputTokens: Number.POSITIVE_INFINITY };
  const { url } = await serve(loading, {
    cards: [scriptedCard("m", { ...unknown, answeredBy: { id: "scripted-weights", standIn: false } })],
  });

  const model: unknown = await (await fetch(`${url}/v1/models/m`)).json();

  expect(model).toMatchObject({
    continuo: {
      state: "loading",
      capabilities: { fim: false, chat: false },
      context_length: null,
      max_input_tokens: null,
    },
  });
});

test("an unknown name is 404 and names it", async () => {
  const { url } = await serve(engine(), { cards });

  const response = await fetch(`${url}/v1/models/nope`);

  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({
    error: { code: "model_not_found", message: "The model `nope` does not exist or you do not have access to it." },
  });
});

test("the list needs a key when there are keys", async () => {
  const { url } = await serve(engine(), { cards, authenticator: configuredKeys(["sk-1"], "default") });

  expect((await fetch(`${url}/v1/models`)).status).toBe(401);
  expect((await fetch(`${url}/v1/models`, { headers: { authorization: "bearer sk-1" } })).status).toBe(200);
});

describe("what the lists say is what the routes do", () => {
  const { chat: __, ...rest } = SCRIPTED_MODEL;
  const models = { full: SCRIPTED_MODEL, "without a layout": withoutFim, "without chat": { ...rest, chat: false } };
  const called = { role: "user", content: "json" };
  const begun = { role: "assistant", content: "a", partial: true };

  test("for every kind of name, on both dialects", async () => {
    const flags = [true, false];
    const kinds = Object.values(models).flatMap((model) =>
      flags.flatMap((catalogued) =>
        flags.flatMap((completions) =>
          flags.flatMap((partial) =>
            [[], ["completions"], ["partial"]].map((withheld) => ({
              model,
              catalogued,
              completions,
              partial,
              withheld,
            })),
          ),
        ),
      ),
    );
    const all = kinds.map(({ model, withheld, ...may }, index) =>
      scriptedCard(`m${index}`, {
        ...may,
        withheld: new Set(withheld as ("completions" | "partial")[]),
        answeredBy: { id: "scripted-weights", standIn: false, model },
      }),
    );
    const { url } = await serve(engine(), { cards: all });

    for (const base of ["/v1", "/compatible-mode/v1"]) {
      const { data } = modelList.parse(await (await fetch(`${url}${base}/models`)).json());
      expect(data).toHaveLength(all.length);
      for (const { id, continuo } of data) {
        const { completions, suffix, partial, chat } = continuo.capabilities;
        const status = async (path: string, body: object): Promise<boolean> =>
          (await post(`${url}${base}${path}`, { model: id, ...body })).status === 200;
        const does = {
          completions: await status("/completions", { prompt: "a" }),
          suffix: await status("/completions", { prompt: "a", suffix: "b" }),
          partial: await status("/chat/completions", { messages: [called, begun] }),
          chat: await status("/chat/completions", { messages: [called] }),
        };
        expect({ completions, suffix, partial, chat }, `${base} ${JSON.stringify(kinds[Number(id.slice(1))])}`).toEqual(
          does,
        );
      }
    }
  });

  test("a catalogue name without the completions route has it on /v1", async () => {
    const { url } = await serve(engine(), {
      cards: [scriptedCard("qwen-plus", { catalogued: true, completions: false })],
    });
    const said = async (base: string) =>
      modelEntry.parse(await (await fetch(`${url}${base}/models/qwen-plus`)).json()).continuo.capabilities;

    expect(await said("/v1")).toMatchObject({ completions: true, fim: true, suffix: true });
    expect(await said("/compatible-mode/v1")).toMatchObject({ completions: false, fim: false, suffix: false });
  });
});
