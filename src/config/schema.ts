/**
 * The configuration file, key by key. Also the source of the reference in `docs/configuration.md`.
 *
 * Messages that begin with "expected" are completed with what was found (`explain.ts`).
 */
import { z } from "zod";
import { catalogueSchema } from "./catalogue-schema.ts";
import { engineSchema } from "./engine-schema.ts";
import { flag, integer, list, mapping, name, number, text } from "./kinds.ts";
import { duration, layers, loading, modelSchema } from "./model-schema.ts";

/** Longest time that can be set, ms: Node's timers hold no more than 2^31 - 1. */
const MAX_TIME_MS = 2_147_483_647;

const fimLayout = z.strictObject(
  {
    prefix: text("a control token").describe("Marker before the prefix."),
    suffix: text("a control token").describe("Marker before the suffix."),
    middle: text("a control token")
      .optional()
      .describe("Marker before the middle; absent if the model writes directly after the other two parts."),
    order: z
      .enum(["psm", "spm"], { error: "expected psm (prefix, suffix, middle) or spm (suffix, prefix, middle)" })
      .default("psm")
      .describe("`psm`: prefix, suffix, middle; `spm`: suffix, prefix, middle."),
    behind_middle: z
      .enum(["line", "prefix"], { error: "expected line (the line of the cursor) or prefix (all of it)" })
      .optional()
      .describe(
        "Part of the prefix placed after the middle marker: `line` (the line of the cursor) or `prefix` (all). Default: none.",
      ),
    gap_end: flag().default(true).describe("Default of the request field `gap_end`: end an answer where its gap ends."),
    end_bias: number(0, 100)
      .default(0)
      .describe(
        "Added to the logits of the end tokens where a gap may end; for weights that rarely end a gap by themselves.",
      ),
    end: list(text("a control token"), "control tokens")
      .default([])
      .describe("Control tokens, other than the markers, that end the middle."),
    healing: flag()
      .optional()
      .describe(
        "Default of the request field `token_healing`. Weights trained on cuts at arbitrary characters do not need it.",
      ),
    repo_name: text("a control token").optional().describe("Marker before the repository name; requires `file_sep`."),
    file_sep: text("a control token").optional().describe("Marker before a file path."),
    pad: text("a control token").optional().describe("Padding token; also ends the middle."),
  },
  mapping("markers: `prefix` and `suffix` at least"),
);

const limits = z.strictObject(
  {
    body_bytes: integer(1024, 2 ** 30)
      .default(16 * 1024 * 1024)
      .describe("Maximum size of a request body after decompression."),
    plain_timeout_ms: time()
      .default(300_000)
      .describe("Time limit of a non-streamed answer; what exists by then is returned."),
    first_token_timeout_ms: time()
      .default(300_000)
      .describe("Time from arrival to the first token; applies again to each further prompt of the request."),
    idle_timeout_ms: time().default(120_000).describe("Maximum time between two tokens."),
    headers_timeout_ms: time().default(30_000).describe("Maximum time to receive the request headers."),
    request_timeout_ms: time().default(120_000).describe("Maximum time to receive the whole request."),
    keep_alive_timeout_ms: time().default(75_000).describe("How long an idle connection stays open."),
    stall_timeout_ms: time().default(120_000).describe("A client that reads nothing for this long is disconnected."),
    heartbeat_ms: time().default(15_000).describe("Interval of SSE comment lines while a stream has nothing to send."),
    prompt_concurrency: integer(1, 1024)
      .default(8)
      .describe("Number of prompts of one request processed at the same time."),
    engine_timeout_ms: time()
      .default(120_000)
      .describe(
        "An engine process is restarted if it makes no progress for this long, or for 30 typical steps (at least 10 s). 0: never.",
      ),
    queue_length: integer(0, 100_000)
      .default(128)
      .describe("Maximum number of waiting requests per model; further requests get 503."),
    drain_grace_ms: time().default(30_000).describe("How long running requests may take to finish after Ctrl-C."),
  },
  mapping("limits, such as `queue_length: 32`"),
);

const typing = z.strictObject(
  {
    supersede_document: flag()
      .default(true)
      .describe("A newer request of the same key ends an older one with the same header `x-continuo-document`."),
    supersede_user: flag()
      .default(false)
      .describe("A newer request of the same key ends an older one with the same field `user`; not in chats."),
    supersede_prefix: flag()
      .default(false)
      .describe("A newer stream of the same key ends an older one whose prompt it continues; not in chats."),
    memory: flag()
      .default(true)
      .describe("Who types along a suggestion, in a document that the requests name, gets the rest of it from memory."),
    memory_bytes: integer(0, 2 ** 34)
      .default(16 * 1024 * 1024)
      .describe("Maximum memory for recent suggestions."),
    memory_ms: time().default(600_000).describe("How long a suggestion is kept."),
  },
  mapping("switches, such as `memory: false`"),
);

const apiKey = z.strictObject(
  {
    key: z
      .string({ error: "expected an API key in quotes" })
      .regex(/^[\x21-\x7e]+$/, { error: "expected printable ASCII without blanks" })
      .describe("What callers send after `Bearer`. A plain string in place of the mapping means the same."),
    label: text("a name for the logs").optional().describe("Name of the key in logs."),
  },
  mapping("a key: a string, or `key` and `label`"),
);

export const configSchema = z.strictObject(
  {
    host: text("an address, a host name, or the path of a socket")
      .default("127.0.0.1")
      .describe(
        "Address to listen on (non-loopback addresses require a key), or the path of a Unix socket such as `/run/x.sock`.",
      ),
    port: integer(0, 65_535)
      .default(8100)
      .describe("Port to listen on; 0 picks a free one. Not used with a Unix socket."),
    socket_mode: octal()
      .optional()
      .describe('Permissions of the Unix socket in octal, in quotes. Default: `"0600"`, only this user.'),
    allowed_hosts: list(hostName(), "host names")
      .default([])
      .describe(
        'Host names, besides localhost, that a server without keys accepts; `"*.example.org"`, or `"*"` for all.',
      ),
    data_dir: text("a directory")
      .optional()
      .describe("Directory for the database and pulled models. Default: the system's directory for application data."),
    database: database()
      .optional()
      .describe(
        "Database for keys and workspaces: `postgres://…`, or `memory` to store nothing. Default: a file in `data_dir`.",
      ),
    api_keys: list(apiKey, "keys")
      .default([])
      .describe("API keys of the default workspace, in addition to those in the database."),
    admin_keys: list(apiKey, "keys")
      .default([])
      .describe("Keys for the administration API; they cannot call models. Without any, the API refuses all requests."),
    workspace: text("a workspace id").default("default").describe("Id of the default workspace."),
    strict: flag().default(false).describe("No stand-ins: catalogue names without a mapping get 503."),
    default: text("the name of a model")
      .optional()
      .describe("Model that answers catalogue names without a mapping. Default: the first model."),
    built_in: flag()
      .default(true)
      .describe("If no models are configured, also serve the model in the package, after the pulled ones."),
    models: z
      .record(name(), modelSchema, mapping("models: a name, then its file"))
      .default({})
      .describe("Public name → model that answers."),
    engines: z
      .record(name(), engineSchema, mapping("engines: a name, then its kind and url"))
      .default({})
      .describe("Engines elsewhere that answer for `models`; see docs/engines.md."),
    catalogue: catalogueSchema
      .default({})
      .describe("Names added to the built-in catalogue; existing names are overridden field by field."),
    load: loading()
      .optional()
      .describe(
        "When models are loaded. Default: at start as far as the memory budget allows, the others on first use.",
      ),
    keep_alive: duration()
      .default("never")
      .describe("Idle time after which a model is unloaded, such as `10m`; `0`: immediately, `-1` or `never`: never."),
    memory_budget: size()
      .optional()
      .describe(
        "Memory for all loaded models together, such as `12GiB` or `50%`. Default: 80 % of the memory that is free at start.",
      ),
    engine: z
      .enum(["auto", "cpu", "cuda", "vulkan"], {
        error: "expected auto, cpu, cuda or vulkan (an engine elsewhere is KIND=URL on the command line)",
      })
      .default("auto")
      .describe("Compute libraries; `auto`: an installed GPU package if it finds a GPU, else the CPU."),
    gpu_layers: layers().optional().describe("Number of layers of each model on the GPU. Default: all."),
    token_healing: flag()
      .optional()
      .describe(
        "Default of the request field `token_healing`. If not set, it depends on the kind of request and the model.",
      ),
    speculation: flag().default(true).describe("Default of the request field `speculation` (prompt-lookup decoding)."),
    fim_layouts: z
      .record(name(), fimLayout, mapping("layouts: a family, then its markers"))
      .default({})
      .describe("Fill-in-the-middle layouts in addition to the built-in ones."),
    limits: limits.prefault({}).describe("Limits of the server."),
    typing: typing.prefault({}).describe("For editors that ask while somebody types; see docs/typing.md."),
    cors_origins: list(origin(), "origins")
      .default([])
      .describe(
        'Origins, besides localhost, whose web pages may call: `https://example.org`, `moz-extension://*`, `"*"`.',
      ),
    log_level: z
      .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
        error: "expected trace, debug, info, warn, error, fatal or silent",
      })
      .default("info")
      .describe("Log level. Prompts and answers are never logged."),
    deterministic: flag()
      .default(false)
      .describe("The same request and seed give the same text, whatever else runs; slower."),
  },
  mapping("`key: value` lines"),
);

/** The file's own spelling, checked, defaults filled in. */
export type ConfigFile = z.output<typeof configSchema>;

function time(): z.ZodInt {
  const error = `expected milliseconds as an integer from 0 to ${MAX_TIME_MS}`;
  return z.int({ error }).min(0, { error }).max(MAX_TIME_MS, { error });
}

function size(): z.ZodString {
  const error = "expected a size such as 12GiB, 800MB or 50%";
  return z.string({ error }).regex(/^\d+(\.\d+)?\s*(B|[kKMGT]i?B|%)$/, { error });
}

/** May carry a password, so it is never repeated. */
function database(): z.ZodString {
  const error = "expected postgres://USER:PASSWORD@HOST:PORT/DATABASE or memory";
  return z
    .string({ error })
    .refine((text) => text === "memory" || (/^postgres(ql)?:/.test(text) && URL.canParse(text)), { error });
}

/** A star stands for all pages of a scheme that is not the web's: browsers give extensions and editors a random name. */
function origin(): z.ZodString {
  const error = 'expected "*" or an origin such as https://example.org or moz-extension://*';
  return z
    .string({ error })
    .regex(/^(\*|https?:\/\/[^/\s*]+|(?!https?:)[a-z][a-z0-9+.-]*:\/\/(\*|[^/\s*]+))$/i, { error });
}

function hostName(): z.ZodString {
  const error = 'expected a host name such as llm.example.org or *.example.org, without scheme and port, or "*"';
  return z.string({ error }).regex(/^(\*|(\*\.)?[\w-]+(\.[\w-]+)*|\[[\da-f:.]+\])$/i, { error });
}

/** YAML reads an unquoted 0660 as the number 660, and 0o660 as 432. */
function octal(): z.ZodString {
  const error = 'expected permissions in quotes, such as "0660"';
  return z.string({ error }).regex(/^0?[0-7]{3}$/, { error });
}
