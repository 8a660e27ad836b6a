/** Structured answers through OpenAI's own Node client: what the client makes of a schema arrives as a grammar. */
import OpenAI from "openai";
import { zodResponseFormat } from "openai/helpers/zod";
import { expect, test } from "vitest";
import { z } from "zod";
import { gbnfOf } from "../../src/continuation/shape.ts";
import { GbnfGrammar } from "../support/gbnf.ts";
import { type ScriptedCall, ScriptedEngine, saying } from "../support/scripted-engine.ts";
import { serve } from "../support/scripted-service.ts";

const grammarOf = ({ request }: ScriptedCall): GbnfGrammar =>
  new GbnfGrammar(request.shape ? gbnfOf(request.shape) : "");

const ANSWER = '{"name": "Ada", "born": 1815, "fields": ["mathematics"], "died": null}';

const person = z.object({
  name: z.string().max(40),
  born: z.int().min(1000).max(2100),
  fields: z.array(z.enum(["mathematics", "poetry"])).max(3),
  died: z.union([z.iso.date(), z.null()]),
});

async function clientOf(path: "/v1" | "/compatible-mode/v1"): Promise<[OpenAI, ScriptedEngine]> {
  const engine = new ScriptedEngine(() => saying([ANSWER.slice(0, 20), ANSWER.slice(20)]));
  const { url } = await serve(engine);
  return [new OpenAI({ baseURL: url + path, apiKey: "none", maxRetries: 0 }), engine];
}

const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: "user", content: "Who was Ada Lovelace? As JSON." }];

test.each(["/v1", "/compatible-mode/v1"] as const)(
  "a zod schema on %s is a grammar, and its answer parses",
  async (path) => {
    const [client, engine] = await clientOf(path);

    const completion = await client.chat.completions.parse({
      model: "m",
      messages,
      response_format: zodResponseFormat(person, "person"),
    });

    const grammar = grammarOf(await engine.call());
    expect(completion.choices[0]?.message.parsed).toEqual(JSON.parse(ANSWER));
    expect(grammar.admits(ANSWER)).toBe(true);
    for (const wrong of [ANSWER.replace("1815", "18150"), ANSWER.replace("mathematics", "chess"), `${ANSWER} `]) {
      expect(grammar.admits(wrong), wrong).toBe(false);
    }
  },
);

test("a stream holds to json_object", async () => {
  const [client, engine] = await clientOf("/v1");

  const stream = client.chat.completions.stream({ model: "m", messages, response_format: { type: "json_object" } });

  expect(await stream.finalContent()).toBe(ANSWER);
  expect(grammarOf(await engine.call()).admits(ANSWER)).toBe(true);
});

test("a schema that cannot be honoured is a bad request that names the place", async () => {
  const [client, engine] = await clientOf("/v1");
  const schema = { type: "object", properties: { even: { type: "integer", multipleOf: 2 } } };

  const refused = client.chat.completions.create({
    model: "m",
    messages,
    response_format: { type: "json_schema", json_schema: { name: "n", schema } },
  });

  await expect(refused).rejects.toThrow(OpenAI.BadRequestError);
  await expect(refused).rejects.toMatchObject({
    param: "response_format.json_schema.schema.properties.even.multipleOf",
  });
  expect(engine.calls).toEqual([]);
});
