import { describe, expect, test } from "vitest";
import { callOf, refusal } from "../../test/support/protocol-call.ts";
import { generationProtocol } from "./dashscope-generation.ts";
import { chatProtocol } from "./openai-chat.ts";
import { completionsProtocol } from "./openai-completions.ts";
import type { Decoded } from "./protocol.ts";

type Decode = (fields: object) => Decoded;

const messages = [{ role: "user", content: "hi" }];
const ROUTES: readonly (readonly [string, Decode])[] = [
  ...(["dashscope", "openai"] as const).flatMap((dialect): [string, Decode][] => [
    [
      `completions, ${dialect}`,
      (fields) => completionsProtocol(dialect).decode({ model: "m", prompt: "a", ...fields }, callOf()),
    ],
    [`chat, ${dialect}`, (fields) => chatProtocol(dialect).decode({ model: "m", messages, ...fields }, callOf())],
  ]),
  [
    "generation",
    (parameters) => generationProtocol().decode({ model: "m", input: { messages }, parameters }, callOf()),
  ],
];

describe.each(ROUTES)("%s", (_, decode) => {
  test.each([true, false])("%s reaches the engine and is not reported as ignored", (on) => {
    const { requests, ignored } = decode({ token_healing: on, speculation: on });

    expect(requests[0]).toMatchObject({ tokenHealing: on, speculation: on });
    expect(ignored).toEqual([]);
  });

  test("what is left open stays open", () => {
    const [request] = decode({ token_healing: null }).requests;

    expect(request).not.toHaveProperty("tokenHealing");
    expect(request).not.toHaveProperty("speculation");
  });

  test("only booleans are switches", () => {
    expect(refusal(() => decode({ token_healing: "yes" }))[1]).toBe("'token_healing' must be Boolean");
    expect(refusal(() => decode({ speculation: 1 }))[1]).toBe("'speculation' must be Boolean");
  });
});
