/**
 * The configuration file, key by key. Also the source of the reference in `docs/configuration.md`.
 *
 * Messages that begin with "expected" are completed with what was found (`explain.ts`).
 */
import { z } from "zod";
import { catalogueSchema } from "./catalogue-schema.ts";
import { flag, integer, list, mapping, name, number, text } from "./kinds.ts";
import { samplingSchema } from "./sampling.ts";

/** Longest time that can be set, ms: Node's timers hold no more than 2^31 - 1. */
const MAX_TIME_MS = 2_147_483_647;

const capabilities = z.strictObject(
  {
    completions: flag().optional().describe("The completions routes take it."),
    partial: flag().optional().describe("Partial Mode takes it."),
    max_input_tokens: integer(1, 2 ** 31)
      .optional()
      .describe("Longest prompt; never more than a slot holds."),
    max_output_tokens: integer(1, 2 ** 31)
      .optional()
      .describe("Longest answer; never more than a slot holds."),
  },
  mapping("capabilities, such as `partial: false`"),
);

const model = z.strictObject(
  {
    file: text("the path of a GGUF file")
      .optional()
      .describe("GGUF file, or its first shard; a plain string in place of the mapping means the same."),
    use: text("the name of another model").optional().describe("In place of `file`: answer with that model."),
    context: integer(16, 2 ** 24)
      .optional()
      .describe("Tokens one slot holds, prompt and answer together."),
    slots: integer(1, 256).optional().describe("Requests that run at the same time."),
    threads: integer(1, 1024)
      .optional()
      .describe("Most processor threads; fewer compute while others keep the processor busy."),
    deterministic: flag().optional().describe("Overrides the global `deterministic`."),
    fim: z
      .union([z.string().min(1), z.literal(false)], {
        error: "expected the name of a fill-in-the-middle family, or false",
      })
      .optional()
      .describe("Layout family; `false`: none. Absent: detected from the vocabulary."),
    load: loading().optional().describe("Overrides the global `load`."),
    keep_alive: duration().optional().describe("Overrides the global `keep_alive`."),
    gpu_layers: layers().optional().describe("Overrides the global `gpu_layers`."),
    token_healing: flag().optional().describe("Overrides the global `token_healing`."),
    speculation: flag().optional().describe("Overrides the global `speculation`."),
    aliases: list(text("a model name"), "model names").optional().describe("Further names it answers to."),
    sampling: samplingSchema.optional(),
    capabilities: capabilities.optional().describe("In place of what the catalogue or the weights say."),
  },
  mapping("a model: a path, `file: PATH`, or `use: NAME`"),
);

const fimLayout = z.strictObject(
  {
    prefix: text("a control token").describe("Stands before the prefix."),
    suffix: text("a control token").describe("Stands before the suffix."),
    middle: text("a control token").optional().describe("Absent where the model writes right after the other two."),
    order: z
      .enum(["psm", "spm"], { error: "expected psm (prefix, suffix, middle) or spm (suffix, prefix, middle)" })
      .default("psm")
      .describe("`psm`: prefix, suffix, middle; `spm`: suffix, prefix, middle."),
    behind_middle: z
      .enum(["line", "prefix"], { error: "expected line (the line of the cursor) or prefix (all of it)" })
      .optional()
      .describe("Part of the prefix behind the middle marker: `line` (the cursor's) or `prefix` (all); absent: none."),
    gap_end: flag()
      .default(true)
      .describe("End an answer where its gap ends, for requests that do not choose with `gap_end`."),
    end_bias: number(0, 100)
      .default(0)
      .describe(
        "Added to the logits of end tokens where a gap may end; for weights that do not end gaps by themselves.",
      ),
    end: list(text("a control token"), "control tokens")
      .default([])
      .describe("Control tokens that end a middle, besides the markers."),
    healing: flag()
      .optional()
      .describe("Token healing by default; weights trained on cuts at any character need none."),
    repo_name: text("a control token")
      .optional()
      .describe("Stands before the name of a repository; together with `file_sep`."),
    file_sep: text("a control token").optional().describe("Stands before the path of a file."),
    pad: text("a control token").optional().describe("Padding; ends a middle too."),
  },
  mapping("markers: `prefix` and `suffix` at least"),
);

const limits = z.strictObject(
  {
    body_bytes: integer(1024, 2 ** 30)
      .default(16 * 1024 * 1024)
      .describe("Largest request body, decompressed."),
    plain_timeout_ms: time().default(300_000).describe("A plain answer is cut here and returned as far as it got."),
    first_token_timeout_ms: time()
      .default(300_000)
      .describe("From arrival to the first token, and to that of a later prompt."),
    idle_timeout_ms: time().default(120_000).describe("Between two tokens."),
    headers_timeout_ms: time().default(30_000).describe("For the headers of a request to arrive."),
    request_timeout_ms: time().default(120_000).describe("For a whole request to arrive."),
    keep_alive_timeout_ms: time().default(75_000).describe("An idle connection stays open this long."),
    stall_timeout_ms: time().default(120_000).describe("A client that takes no bytes for this long is given up."),
    heartbeat_ms: time().default(15_000).describe("A silent stream sends a comment line this often."),
    prompt_concurrency: integer(1, 1024).default(8).describe("Prompts of one request under way together."),
    engine_timeout_ms: time()
      .default(120_000)
      .describe("An engine without progress for this long, or for 30 usual steps (10 s or more), restarts; 0: never."),
    queue_length: integer(0, 100_000).default(128).describe("Requests waiting per model; one more gets 503."),
    drain_grace_ms: time().default(30_000).describe("Running requests may finish within this time after Ctrl-C."),
  },
  mapping("limits, such as `queue_length: 32`"),
);

const apiKey = z.strictObject(
  {
    key: z
      .string({ error: "expected an API key in quotes" })
      .regex(/^[\x21-\x7e]+$/, { error: "expected printable ASCII without blanks" })
      .describe("What callers send after `Bearer`; a plain string in place of the mapping means the same."),
    label: text("a name for the logs").optional().describe("What logs call it."),
  },
  mapping("a key: a string, or `key` and `label`"),
);

export const configSchema = z.strictObject(
  {
    host: text("an address, a host name, or the path of a socket")
      .default("127.0.0.1")
      .describe("Address to listen on, any but loopback needs a key; or the path of a Unix socket, `/run/x.sock`."),
    port: integer(0, 65_535).default(8100).describe("0 takes a free port; a Unix socket has none."),
    socket_mode: octal()
      .optional()
      .describe('Who may open the Unix socket, as `chmod` takes it, in quotes; absent: `"0600"`, this user alone.'),
    allowed_hosts: list(hostName(), "host names")
      .default([])
      .describe('Names that a server without keys answers to besides localhost; `"*.example.org"`, `"*"` for all.'),
    data_dir: text("a directory")
      .optional()
      .describe("Where Continuo keeps what it stores; by default the system's directory for program data."),
    database: database()
      .optional()
      .describe("`postgres://…` for keys and workspaces, `memory` to keep none; absent: a file in `data_dir`."),
    api_keys: list(apiKey, "keys")
      .default([])
      .describe("Keys besides those in the database, for the default workspace."),
    admin_keys: list(apiKey, "keys")
      .default([])
      .describe("Keys for the administration API; they call no model. Without any it refuses everybody."),
    workspace: text("a workspace id").default("default").describe("Id of the default workspace."),
    strict: flag().default(false).describe("No stand-ins: a name without a mapping answers 503."),
    default: text("the name of a model")
      .optional()
      .describe("Who answers to names without a mapping; else the first model."),
    built_in: flag()
      .default(true)
      .describe("Where no models are named, serve the one in the package, after those that were pulled."),
    models: z
      .record(name(), model, mapping("models: a name, then its file"))
      .default({})
      .describe("Public name → who answers."),
    catalogue: catalogueSchema
      .default({})
      .describe("Names besides those of the built-in catalogue; one that is there is changed field by field."),
    load: loading()
      .optional()
      .describe("When models are loaded. Absent: at start as far as the memory budget goes, the rest on first use."),
    keep_alive: duration()
      .default("never")
      .describe("Idle time after which a model is unloaded, such as `10m`; `0`: at once, `-1` or `never`: never."),
    memory_budget: size()
      .optional()
      .describe(
        "Memory for all loaded models together, such as `12GiB` or `50%`; absent: 80 % of what is free at start.",
      ),
    engine: z
      .enum(["auto", "cpu", "cuda", "vulkan"], { error: "expected auto, cpu, cuda or vulkan" })
      .default("auto")
      .describe("Libraries to compute with; `auto`: an installed GPU package if it finds a GPU."),
    gpu_layers: layers().optional().describe("Layers of each model that go to the GPU; absent: all."),
    token_healing: flag()
      .optional()
      .describe("For requests that do not choose. Absent: where the kind of request and the model gain by it."),
    speculation: flag().default(true).describe("Prompt-lookup drafts, for requests that do not choose."),
    fim_layouts: z
      .record(name(), fimLayout, mapping("layouts: a family, then its markers"))
      .default({})
      .describe("Fill-in-the-middle layouts besides the built-in ones."),
    limits: limits.prefault({}).describe("Bounds of the server."),
    cors_origins: list(origin(), "origins")
      .default([])
      .describe('Sites besides localhost whose pages may call: `https://example.org`, `moz-extension://*`, `"*"`.'),
    log_level: z
      .enum(["trace", "debug", "info", "warn", "error", "fatal", "silent"], {
        error: "expected trace, debug, info, warn, error, fatal or silent",
      })
      .default("info")
      .describe("How much goes to the log; prompts and answers never do."),
    deterministic: flag().default(false).describe("Same seed and request, same text, whatever else runs; slower."),
  },
  mapping("`key: value` lines"),
);

/** The file's own spelling, checked, defaults filled in. */
export type ConfigFile = z.output<typeof configSchema>;
export type ModelEntry = z.output<typeof model>;

function time(): z.ZodInt {
  const error = `expected milliseconds as an integer from 0 to ${MAX_TIME_MS}`;
  return z.int({ error }).min(0, { error }).max(MAX_TIME_MS, { error });
}

function layers(): z.ZodInt {
  return integer(0, 10_000);
}

function loading() {
  return z.enum(["start", "first_use"], { error: "expected start or first_use" });
}

/** With units, so that nobody has to guess them; only 0 and -1 need none. */
function duration() {
  const error = "expected a time such as 30s, 10m or 1h30m, 0 or never";
  const spelt = z.string().regex(/^(0|-1|never|(\d+(\.\d+)?(ms|s|m|h))+)$/, { error });
  return z.union([spelt, z.literal(0), z.literal(-1)], { error });
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
