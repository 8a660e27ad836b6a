/** An engine elsewhere in the configuration, key by key. */
import { z } from "zod";
import { ENGINE_KINDS } from "../engines/remote/registry.ts";
import { integer, list, mapping, text } from "./kinds.ts";

const timeouts = z.strictObject(
  {
    connect_ms: milliseconds().default(5_000).describe("Maximum time to connect."),
    first_token_ms: milliseconds().default(300_000).describe("Maximum time from the request to the first token."),
    idle_ms: milliseconds().default(120_000).describe("Maximum time between two tokens."),
    total_ms: milliseconds().default(0).describe("Maximum time for a whole answer. 0: no limit."),
  },
  mapping("time limits, such as `connect_ms: 5000`"),
);

const tls = z.strictObject(
  {
    ca: text("the path of a PEM file").optional().describe("Certificates to trust instead of the system's."),
    cert: text("the path of a PEM file").optional().describe("Certificate of this server; requires `key`."),
    key: text("the path of a PEM file").optional().describe("Private key of that certificate."),
  },
  mapping("PEM files: `ca`, or `cert` and `key`"),
);

/** Settings outside of OpenAI's API. */
const FIELDS = ["top_k", "min_p", "repetition_penalty"] as const;

export const engineSchema = z.strictObject(
  {
    kind: z
      .string({ error: `expected ${ENGINE_KINDS.join(", ")}` })
      .refine((kind) => ENGINE_KINDS.includes(kind), { error: `expected ${ENGINE_KINDS.join(", ")}` })
      .describe(`What is there: ${ENGINE_KINDS.map((kind) => `\`${kind}\``).join(", ")}.`),
    url: baseUrl().describe("Base URL, with or without `/v1`."),
    api_key_env: text("the name of an environment variable")
      .optional()
      .describe("Environment variable with the key that is sent to the engine. Keys never stand in the file."),
    tls: tls.optional().describe("Certificates of a private network."),
    timeouts: timeouts.prefault({}).describe("Time limits; 0 means no limit."),
    prefix: z
      .enum(["partial", "prefix", "continue_final_message", "plain"], {
        error: "expected partial, prefix, continue_final_message or plain",
      })
      .optional()
      .describe(
        "Kind `openai`: how it takes the beginning of an answer; `plain`: as a last assistant message. Default: not at all.",
      ),
    fields: list(z.enum(FIELDS, { error: `expected ${FIELDS.join(", ")}` }), "request fields")
      .default([])
      .describe(
        `Kind \`openai\`: settings besides OpenAI's that it takes: ${FIELDS.map((each) => `\`${each}\``).join(", ")}.`,
      ),
  },
  mapping("an engine: `kind` and `url`"),
);

export type EngineEntry = z.output<typeof engineSchema>;

function milliseconds(): z.ZodInt {
  return integer(0, 2 ** 31 - 1);
}

/** May not carry a password: it is shown in messages and logs. */
function baseUrl(): z.ZodString {
  const error = "expected http://HOST:PORT or https://HOST/PATH";
  const secret = "an address with a user or password would be shown in logs; put the key into `api_key_env`";
  return z
    .string({ error })
    .refine((text) => text.includes("@") || isBaseUrl(text), { error })
    .refine((text) => !text.includes("@"), { error: secret });
}

export function isBaseUrl(text: string): boolean {
  return !text.includes("@") && URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}
