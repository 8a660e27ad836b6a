import { describe, expect, test } from "vitest";
import type { Json } from "../../../test/support/calls.ts";
import { CHATML_TEMPLATES } from "../../../test/support/chat-templates.ts";
import { never } from "../../../test/support/described-weights.ts";
import { chat, says } from "../../../test/support/lowering.ts";
import {
  chatChunk,
  engineAt,
  events,
  type Heard,
  hear,
  json,
  peerServer,
  remoteRequest,
  usageChunk,
} from "../../../test/support/peer-server.ts";
import { THINKING_TEMPLATES } from "../../../test/support/thinking-templates.ts";
import { tokenizerRoutes } from "../../../test/support/tokenizer-routes.ts";
import type { ContinuationRequest } from "../../continuation/request.ts";

const CONTROLS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|im_sep|>"];

const { ids, spelled } = tokenizerRoutes(CONTROLS);

interface Asked extends Heard {
  readonly what?: string;
  readonly body: Json;
  /** What the ids of the prompt spell. */
  readonly prompt: string;
}

/** @param said the answer, a token a character. */
async function ask(
  kind: string,
  over: Partial<ContinuationRequest>,
  { template, said = ["o", "k"] }: { readonly template?: string; readonly said?: readonly string[] },
): Promise<Asked> {
  const chunk = (text: string, finish: string | null = null): object => ({
    choices: [{ index: 0, text, finish_reason: finish, token_ids: ids(text) }],
  });
  const event = (text: string, finish: object | null = null): object => ({
    text,
    output_ids: ids(text),
    meta_info: { finish_reason: finish, prompt_tokens: 9, completion_tokens: [...text].length },
  });
  const whole = said.join("");
  const peer = await peerServer({
    "GET /version": json({ version: "0.32.0" }),
    "GET /model_info": json({ model_path: "m" }),
    "GET /server_info": json({ version: "0.5.9" }),
    "GET /v1/models": json({ object: "list", data: [{ id: "m", root: "m", max_model_len: 4096 }] }),
    ...tokenizerRoutes(CONTROLS, template).routes,
    "POST /v1/completions": events(...said.map((each) => chunk(each)), chunk("", "length"), usageChunk(9, 2)),
    "POST /generate": events(event(whole), event(whole, { type: "length", length: 2 })),
    "POST /v1/chat/completions": events(chatChunk("ok"), chatChunk(undefined, "stop"), usageChunk(30, 2)),
  });
  const request = remoteRequest({ limits: { ...remoteRequest().limits, maxTokens: 500 }, ...over });
  const heard = await hear(engineAt(kind, peer.url).generate(request, never));
  const call = peer.calls.find(({ what }) => /completions|generate/u.test(what));
  const tokens = call?.body.prompt ?? call?.body.input_ids ?? [];
  return { ...heard, body: call?.body, prompt: spelled(tokens), ...(call !== undefined && { what: call.what }) };
}

const HI = chat([says("user", "Hi")]);
const OPEN = "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";

describe.each([
  ["vllm", "POST /v1/completions"],
  ["sglang", "POST /generate"],
])("chats on %s where the template writes ChatML", (kind, route) => {
  test("are what the embedded engine would be given, without a system message that the template invents", async () => {
    const { what, prompt, parts, text } = await ask(kind, { input: HI }, { template: CHATML_TEMPLATES.inventing });

    expect([what, prompt, text]).toEqual([route, OPEN, "ok"]);
    expect(parts[0]).toMatchObject({ guarantee: "exact", promptTokens: [...ids(OPEN)].length, ignored: [] });
  });

  test("go on with a prefix byte for byte", async () => {
    const { prompt } = await ask(
      kind,
      { input: chat([says("user", "Hi")], " Sure:\n- a  \n") },
      { template: CHATML_TEMPLATES.inventing },
    );

    expect(prompt).toBe(`${OPEN} Sure:\n- a  \n`);
  });

  test("go on behind the ids that wrote an answer, also where these spell a control token", async () => {
    const written = "x<|im_end|>";
    const answered = { units: written.length, tokens: ids(written), tokenHealing: false };

    const { prompt, error } = await ask(
      kind,
      { input: chat([says("user", "Hi")], `Well, ${written}`), answered },
      { template: CHATML_TEMPLATES.inventing },
    );

    expect(error).toBeUndefined();
    expect(prompt).toBe(`${OPEN}Well, ${written}`);
  });

  test("lose their oldest turns where they are too long and may be cut", async () => {
    const messages = [says("system", "S"), says("user", "old".repeat(50)), says("assistant", "A"), says("user", "Hi")];
    const limits = { ...remoteRequest().limits, maxInputTokens: 60, truncate: true };

    const { prompt, parts } = await ask(
      kind,
      { input: chat(messages), limits },
      { template: CHATML_TEMPLATES.inventing },
    );

    const kept = "<|im_start|>system\nS<|im_end|>\n<|im_start|>assistant\nA<|im_end|>\n";
    expect(prompt).toBe(`${kept}${OPEN}`);
    expect(parts[0]).toMatchObject({ ignored: [] });
  });

  test.each([
    ["a message", chat([says("user", "<|im_end|>")])],
    ["the beginning of an answer", chat([says("user", "Hi")], "<|im_end|>")],
    ["a tool call", chat([{ ...says("assistant", ""), toolCalls: [{ name: "f", arguments: '"<|im_end|>"' }] }])],
  ])("are refused where %s spells a control token, as the tokenizer would read one", async (_what, input) => {
    const { error, body } = await ask(kind, { input }, { template: CHATML_TEMPLATES.inventing });

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param: "messages" } });
    expect(body).toBeUndefined();
  });

  test("have no shape that begins within a prefix", async () => {
    const { error } = await ask(
      kind,
      { input: chat([says("user", "Hi")], "{"), shape: { gbnf: 'root ::= "a"' } },
      { template: CHATML_TEMPLATES.inventing },
    );

    expect(error).toMatchObject({ code: "unsupported_input", detail: { param: "response_format" } });
  });

  test("that think: the thought is left out, and is over in front of a prefix", async () => {
    const template = THINKING_TEMPLATES.qwen3Thinking;
    const fresh = await ask(kind, { input: HI }, { template, said: ["hm</think>", "\n\nYes"] });
    const begun = await ask(kind, { input: chat([says("user", "Hi")], "So") }, { template });

    expect([fresh.prompt, fresh.text]).toEqual([`${OPEN}<think>\n`, "Yes"]);
    expect([begun.prompt, begun.text]).toEqual([`${OPEN}<think>\n\n</think>\n\nSo`, "ok"]);
  });
});

test.each(["vllm", "sglang"])("a template with the marks of ChatML and other turns stays with %s", async (kind) => {
  const { what, parts } = await ask(kind, { input: HI }, { template: CHATML_TEMPLATES.separating });

  expect(what).toBe("POST /v1/chat/completions");
  expect(parts[0]).toMatchObject({ guarantee: "native" });
});

test("without a template, vLLM's weights are those of the embedded engine; SGLang may just not show it", async () => {
  expect((await ask("vllm", { input: HI }, {})).prompt).toBe(OPEN);
  expect((await ask("sglang", { input: HI }, {})).what).toBe("POST /v1/chat/completions");
});
