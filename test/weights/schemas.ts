/**
 * Structured output of Qwen2.5-Coder-0.5B-Instruct: 60 JSON Schemas, half of them written, half generated; ajv validates every
 * answer that ended. An answer that the limit of tokens cut is no fault of the grammar, but few may be.
 *
 *     npm run build && npx tsx test/weights/schemas.ts [schemas]
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import fc from "fast-check";
import { CHAT, post, textOf } from "../support/calls.ts";
import { jsonSchemas } from "../support/json-schemas.ts";
import { QWEN_NAME } from "../support/qwen-weights.ts";
import { expectThat, Tally } from "../support/tally.ts";
import { startQwen } from "./qwen-server.ts";
import { WRITTEN_SCHEMAS } from "./written-schemas.ts";

const TOKENS = 120;
/** This share of all answers may be cut by the limit. */
const MOST_CUT = 0.25;
const SEED = 20_261_128;

interface Question {
  readonly about: string;
  readonly schema: object | boolean;
}

const generated = fc
  .sample(jsonSchemas, { seed: SEED, numRuns: 30 })
  .map(({ schema }, index): Question => ({ about: `sample ${index + 1}`, schema: schema as object }));
const all: readonly Question[] = WRITTEN_SCHEMAS.flatMap((written, index) => [
  written,
  ...generated.slice(index, index + 1),
]);
const questions = all.slice(0, Number(process.argv[2] ?? all.length));

const ajv = new Ajv2020({ strict: false, formats: { date: /^\d{4}-\d\d-\d\d$/, email: /^[^@\s]+@[^@\s]+$/ } });
const tally = new Tally();
const server = await startQwen(["--slots", "1"]);
try {
  let cut = 0;
  for (const { about, schema } of questions) {
    await tally.check(`${about}: ${JSON.stringify(schema).slice(0, 100)}`, async () => {
      const messages = [{ role: "user", content: `Give one example of ${about}, as JSON. Be brief.` }];
      const format = { type: "json_schema", json_schema: { name: "answer", schema, strict: true } };
      const body = { model: QWEN_NAME, messages, max_tokens: TOKENS, temperature: 0, response_format: format };
      const { status, text, json } = await post(server.url, CHAT, body);
      expectThat(status === 200, text);
      const answer = textOf(json);
      if (json.choices[0].finish_reason === "length") {
        cut += 1;
        return `cut after ${TOKENS} tokens: ${answer.slice(0, 60)}`;
      }
      const validate = ajv.compile(schema);
      expectThat(validate(JSON.parse(answer)), `${answer} ${ajv.errorsText(validate.errors)}`);
      return answer;
    });
  }
  await tally.check("few answers are cut", async () => {
    expectThat(cut <= MOST_CUT * questions.length, `${cut} of ${questions.length}`);
    return `${cut} of ${questions.length}`;
  });
} finally {
  await server.stop();
}
tally.finish();
