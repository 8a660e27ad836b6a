/** Request bodies that nobody sends by mistake alone. */
import fc from "fast-check";
import { CHAT, COMPLETIONS, NATIVE } from "./calls.ts";

/** JSON texts, so that duplicate names, huge numbers and any depth can be among them. */
type Text = fc.Arbitrary<string>;

const named = (json: string) => JSON.stringify(json);
const number: Text = fc.oneof(
  fc.double().map((value) => JSON.stringify(value)),
  fc.constantFrom("1e999", "-1e999", "1e-320", "5e-324", "1e308", "2147483648", "-2147483649", "9007199254740993"),
  fc.constantFrom("0", "-0", "0.1", "1", "2", "-1", `${"9".repeat(400)}`, `0.${"0".repeat(400)}1`),
);
const string: Text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 12 }).map(named),
  fc.constantFrom('"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', '""', '"null"', '"json"'),
  fc.integer({ min: 1_000, max: 200_000 }).map((length) => named("x".repeat(length))),
  fc.constantFrom("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|file_sep|>", "<|im_start|>").map(named),
);
const name: Text = fc.oneof(
  string,
  fc.constantFrom("__proto__", "constructor", "prototype", "toString", "length", "then", "toJSON").map(named),
  fc.constantFrom("role", "content", "type", "text", "function", "name", "json_schema", "schema", "$ref").map(named),
);
const deep: Text = fc
  .tuple(fc.constantFrom(["[", "]"], ['{"a":', "}"]), fc.integer({ min: 100, max: 20_000 }))
  .map(([[open, close], levels]) => `${open?.repeat(levels)}1${close?.repeat(levels)}`);
const wide: Text = fc
  .tuple(
    fc.constantFrom("1", '"a"', "[]", '{"role":"user","content":"a"}', "null"),
    fc.integer({ min: 1, max: 20_000 }),
  )
  .map(([item, count]) => `[${Array.from({ length: count }, () => item).join(",")}]`);

const { value } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    { weight: 3, arbitrary: fc.constantFrom("null", "true", "false", "[]", "{}") },
    { weight: 3, arbitrary: number },
    { weight: 3, arbitrary: string },
    { weight: 1, arbitrary: deep },
    { weight: 1, arbitrary: wide },
    { weight: 2, arbitrary: fc.array(tie("value"), { maxLength: 4 }).map((items) => `[${items.join(",")}]`) },
    { weight: 2, arbitrary: fc.array(fc.tuple(name, tie("value")), { maxLength: 4 }).map(objectOf) },
  ),
}));

/** Schemas that are nearly right. */
const { schema } = fc.letrec<{ schema: string }>((tie) => ({
  schema: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    value,
    fc.constantFrom('{"$ref":"#"}', '{"type":"string"}', '{"type":"integer","minimum":-1e300}', "true"),
    fc
      .tuple(fc.constantFrom("anyOf", "allOf", "oneOf"), fc.array(tie("schema"), { maxLength: 3 }))
      .map(([keyword, branches]) => `{"${keyword}":[${branches.join(",")}]}`),
    fc
      .array(fc.tuple(name, tie("schema")), { maxLength: 4 })
      .map((properties) => `{"type":"object","properties":${objectOf(properties)}}`),
    fc.tuple(tie("schema"), number).map(([items, most]) => `{"type":"array","items":${items},"maxItems":${most}}`),
  ),
}));
const format: Text = schema.map((text) => `{"type":"json_schema","json_schema":{"name":"a","schema":${text}}}`);

function objectOf(members: readonly (readonly [string, string])[]): string {
  return `{${members.map(([key, inner]) => `${key}:${inner}`).join(",")}}`;
}

const OPTIONS = [
  ...["stop", "temperature", "top_p", "top_k", "min_p", "seed", "n", "best_of", "echo", "logprobs", "top_logprobs"],
  ...[
    "max_tokens",
    "max_completion_tokens",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "logit_bias",
  ],
  ...["stream", "stream_options", "tools", "tool_choice", "response_format", "suffix", "truncate_prompt", "user"],
  ...[
    "enable_thinking",
    "thinking_budget",
    "enable_search",
    "continue_final_message",
    "result_format",
    "token_healing",
  ],
  ...["incremental_output", "speculation", "metadata"],
];

const option: fc.Arbitrary<readonly [string, string]> = fc.oneof(
  { weight: 6, arbitrary: fc.tuple(fc.constantFrom(...OPTIONS).map(named), fc.oneof(value, number)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant('"response_format"'), format) },
  { weight: 1, arbitrary: fc.tuple(name, value) },
);
const options = fc.array(option, { maxLength: 4 });

const MESSAGES = '[{"role":"user","content":"json"}]';
const prompt = fc.oneof(fc.constant('"a"'), value);
const messages = fc.oneof(
  fc.constant(MESSAGES),
  value,
  fc.array(fc.tuple(name, value), { maxLength: 3 }).map((extra) => `[${objectOf([['"role"', '"user"'], ...extra])}]`),
);

/** For the OpenAI-shaped routes and DashScope's own; `m` is the model. Most are refused, some are answered. */
export function hostileBody(path: string): fc.Arbitrary<string> {
  const model = fc.oneof({ weight: 9, arbitrary: fc.constant('"m"') }, { weight: 1, arbitrary: value });
  const whole = (fields: fc.Arbitrary<readonly (readonly [string, string])[]>): Text =>
    fc.tuple(model, fields).map(([called, rest]) => objectOf([['"model"', called], ...rest]));
  if (path === NATIVE) {
    const input = fc.oneof(
      messages.map((list) => `{"messages":${list}}`),
      prompt.map((text) => `{"prompt":${text}}`),
      value,
    );
    const parameters = fc.oneof(options.map(objectOf), value);
    return whole(
      fc.tuple(input, parameters).map(([given, set]) => [
        ['"input"', given],
        ['"parameters"', set],
      ]),
    );
  }
  const isChat = path === CHAT || path.endsWith("/chat/completions");
  const main = isChat ? messages : prompt;
  return whole(fc.tuple(main, options).map(([given, rest]) => [[isChat ? '"messages"' : '"prompt"', given], ...rest]));
}

/** Where they are sent. */
export const PROTOCOL_PATHS = [COMPLETIONS, CHAT, NATIVE, "/v1/completions", "/v1/chat/completions"];
