import type { Protocol } from "../protocols/protocol.ts";

/** One body that can be sent as it is. */
interface Example {
  readonly summary: string;
  readonly value: object;
}

/** Bodies to begin with, per protocol and dialect. Every catalogue name has a stand-in, whatever model is loaded. */
export function examplesOf({ name, dialect }: Protocol): Readonly<Record<string, Example>> {
  if (name === "generation") return GENERATION;
  const shared = name === "completions" ? COMPLETIONS : CHAT;
  if (dialect === "dashscope") return shared;
  return { ...shared, ...(name === "completions" ? OPENAI_COMPLETIONS : OPENAI_CHAT) };
}

const SPRING = [
  { role: "user", content: "Write a sentence about spring." },
  { role: "assistant", content: "In spring", partial: true },
];

const PERSON = {
  type: "json_schema",
  json_schema: {
    name: "person",
    schema: {
      type: "object",
      properties: { name: { type: "string", maxLength: 40 }, born: { type: "integer", minimum: 1000, maximum: 2100 } },
      required: ["name", "born"],
      additionalProperties: false,
    },
  },
};

const COMPLETIONS = {
  infill: {
    summary: "Fill in the middle, markers in the prompt",
    value: {
      model: "qwen-coder-turbo",
      prompt: "<|fim_prefix|>def add(a, b):\n<|fim_suffix|>\nprint(add(1, 2))<|fim_middle|>",
      max_tokens: 64,
    },
  },
  suffix: {
    summary: "Fill in the middle, with the suffix field",
    value: { model: "qwen-coder-turbo", prompt: "def add(a, b):\n", suffix: "\nprint(add(1, 2))\n", max_tokens: 64 },
  },
  prefix: {
    summary: "Continue a text, streamed",
    value: {
      model: "qwen-coder-turbo",
      prompt: "# Sorts a list of numb",
      max_tokens: 32,
      token_healing: true,
      stream: true,
      stream_options: { include_usage: true },
    },
  },
};

const OPENAI_COMPLETIONS = {
  grammar: {
    summary: "Hold the answer to a grammar (GBNF)",
    value: {
      model: "qwen-coder-turbo",
      prompt: "Is 7 a prime number? Answer: ",
      grammar: 'root ::= "yes" | "no"',
      max_tokens: 4,
    },
  },
};

const CHAT = {
  partial: {
    summary: "Partial Mode: the last assistant message is continued",
    value: { model: "qwen-plus", messages: SPRING, max_tokens: 64 },
  },
  schema: {
    summary: "Hold the answer to a JSON Schema",
    value: {
      model: "qwen-plus",
      messages: [{ role: "user", content: "Who wrote the first computer program? Answer in JSON." }],
      response_format: PERSON,
      max_tokens: 64,
    },
  },
};

const OPENAI_CHAT = {
  schemaPartial: {
    summary: "JSON Schema over an assistant prefix",
    value: {
      model: "qwen-plus",
      messages: [
        { role: "user", content: "Who wrote the first computer program?" },
        { role: "assistant", content: '{"name": "Ada' },
      ],
      response_format: PERSON,
      max_tokens: 64,
    },
  },
};

const GENERATION = {
  partial: {
    summary: "Partial Mode: the last assistant message is continued",
    value: {
      model: "qwen-plus",
      input: { messages: SPRING },
      parameters: { result_format: "message", max_tokens: 64 },
    },
  },
  prompt: {
    summary: "One question, text format",
    value: { model: "qwen-plus", input: { prompt: "Write a sentence about spring." }, parameters: { max_tokens: 64 } },
  },
};
