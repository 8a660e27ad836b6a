import { describe, expect, test } from "vitest";
import { callOf, refusal } from "../../test/support/protocol-call.ts";
import { chatProtocol } from "./openai-chat.ts";
import { completionsProtocol } from "./openai-completions.ts";
import type { Decoded, Dialect } from "./protocol.ts";

const messages = [{ role: "user", content: "hi" }];
const ROUTES: readonly (readonly [string, (fields: object, dialect: Dialect) => Decoded])[] = [
  [
    "completions",
    (fields, dialect) => completionsProtocol(dialect).decode({ model: "m", prompt: "a", ...fields }, callOf()),
  ],
  ["chat", (fields, dialect) => chatProtocol(dialect).decode({ model: "m", messages, ...fields }, callOf())],
];

describe.each(ROUTES)("ends of an answer, on OpenAI's path of %s", (_route, decode) => {
  const limitsOf = (fields: object) => decode(fields, "openai").requests[0]?.limits;

  test("reach the engine, and are not reported as ignored", () => {
    const fields = { max_tokens: 64, min_tokens: 64, ignore_eos: true };

    expect(limitsOf(fields)).toMatchObject({ maxTokens: 64, minTokens: 64, ignoreEnds: true });
    expect(decode(fields, "openai").ignored).toEqual([]);
  });

  test.each([{}, { min_tokens: null, ignore_eos: null }, { min_tokens: 0, ignore_eos: false }])(
    "that ask for nothing are none: %j",
    (fields) => {
      expect(limitsOf(fields)).not.toHaveProperty("minTokens");
      expect(limitsOf(fields)).not.toHaveProperty("ignoreEnds");
    },
  );

  test.each([
    [{ min_tokens: 65, max_tokens: 64 }, "Range of min_tokens should be [0, 64]", "min_tokens"],
    [{ min_tokens: 4097 }, "Range of min_tokens should be [0, 4096]", "min_tokens"],
    [{ min_tokens: -1 }, "Range of min_tokens should be [0, 4096]", "min_tokens"],
    [{ min_tokens: "5" }, "'min_tokens' must be Integer", "min_tokens"],
    [{ min_tokens: 1.5 }, "'min_tokens' must be Integer", "min_tokens"],
    [{ ignore_eos: 1 }, "'ignore_eos' must be Boolean", "ignore_eos"],
  ])("%j is refused", (fields, message, param) => {
    expect(refusal(() => decode(fields, "openai"))).toEqual(["invalid_parameter", message, param]);
  });

  test("have no effect on Model Studio's path, and are reported where they ask for one", () => {
    const asked = decode({ min_tokens: 5, ignore_eos: true }, "dashscope");

    expect(asked.requests[0]?.limits).not.toHaveProperty("minTokens");
    expect(asked.requests[0]?.limits).not.toHaveProperty("ignoreEnds");
    expect(asked.ignored).toEqual(["min_tokens", "ignore_eos"]);
    expect(decode({ min_tokens: 0, ignore_eos: false }, "dashscope").ignored).toEqual([]);
  });
});
