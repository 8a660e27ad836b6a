/** A model of the configuration, key by key. */
import { z } from "zod";
import { flag, integer, list, mapping, number, text } from "./kinds.ts";
import { samplingSchema } from "./sampling.ts";

const capabilities = z.strictObject(
  {
    completions: flag().optional().describe("Available on the completions routes."),
    partial: flag().optional().describe("Supports Partial Mode."),
    max_input_tokens: integer(1, 2 ** 31)
      .optional()
      .describe("Maximum prompt length in tokens; at most what a slot holds."),
    max_output_tokens: integer(1, 2 ** 31)
      .optional()
      .describe("Maximum answer length in tokens; at most what a slot holds."),
  },
  mapping("capabilities, such as `partial: false`"),
);

const hedge = z.strictObject(
  {
    after: delay().describe(
      "Time without any text, such as `300ms`; or `p95`: the time within which 95 % of the pool's last 200 first texts came.",
    ),
    share: number(0.001, 1)
      .default(0.1)
      .describe("Most extra requests, as a part of all; up to 5 more may come at once."),
  },
  mapping("when to ask a second replica, such as `after: 300ms`"),
);

export const modelSchema = z.strictObject(
  {
    file: text("the path of a GGUF file")
      .optional()
      .describe(
        "Path of a GGUF file (of its first shard), or name of a pulled model. A plain string in place of the mapping means the same.",
      ),
    use: text("the name of another model").optional().describe("Instead of `file`: answer with this other model."),
    engine: text("the name of an engine")
      .optional()
      .describe("Instead of `file`: the name under `engines` of the engine that answers."),
    model: text("the engine's name of the model")
      .optional()
      .describe("With `engine`: the name of the model there. Default: the first that the engine lists."),
    replicas: list(replica(), "model names")
      .optional()
      .describe(
        "Instead of `file`: other models with the same weights that answer in turn and for one another, as `NAME` or `{ model: NAME, weight: 2 }`.",
      ),
    policy: z
      .enum(["least_loaded", "weighted", "sticky", "prefix_affinity"], {
        error: "expected least_loaded, weighted, sticky or prefix_affinity",
      })
      .optional()
      .describe("With `replicas`: which one is asked first. Default: `least_loaded`."),
    max_resumes: integer(0, 10)
      .optional()
      .describe("With `replicas`: how often an answer that broke off goes on with another replica. Default: 3."),
    hedge: hedge
      .optional()
      .describe("With `replicas`: ask a second one too when the first is silent for too long. Default: never."),
    fallbacks: list(text("a model name"), "model names")
      .optional()
      .describe(
        "Other names of `models` that answer, in this order, when this one is away or overloaded. Default: none.",
      ),
    context: integer(16, 2 ** 24)
      .optional()
      .describe(
        "Context of one slot in tokens: prompt and answer together; with `engine`, where the engine does not tell it.",
      ),
    slots: integer(1, 256).optional().describe("Number of requests processed at the same time."),
    threads: integer(1, 1024)
      .optional()
      .describe("Maximum number of CPU threads; fewer are used while other programs keep the CPU busy."),
    deterministic: flag().optional().describe("Overrides the global `deterministic`."),
    fim: z
      .union([z.string().min(1), z.literal(false)], {
        error: "expected the name of a fill-in-the-middle family, or false",
      })
      .optional()
      .describe("Fill-in-the-middle layout; `false`: none. Default: detected from the vocabulary."),
    emulate: flag()
      .optional()
      .describe(
        "With `engine`: ask a model that answers chats only by instructions to fill gaps and to continue text. Default: false.",
      ),
    thinking: flag()
      .optional()
      .describe(
        "With `engine`: the model thinks unless told not to, which it is behind an assistant prefix. Default: what the engine tells.",
      ),
    load: loading().optional().describe("Overrides the global `load`."),
    keep_alive: duration().optional().describe("Overrides the global `keep_alive`."),
    gpu_layers: layers().optional().describe("Overrides the global `gpu_layers`."),
    token_healing: flag().optional().describe("Overrides the global `token_healing`."),
    speculation: flag().optional().describe("Overrides the global `speculation`."),
    aliases: list(text("a model name"), "model names").optional().describe("Other names of this model."),
    sampling: samplingSchema.optional(),
    capabilities: capabilities.optional().describe("Overrides what the catalogue or the weights say."),
  },
  mapping("a model: a path, `file: PATH`, `use: NAME`, `engine: NAME`, or `replicas: [NAME, …]`"),
);

function replica() {
  const error = "expected the name of a model, or `model: NAME` and `weight: NUMBER`";
  const weight = number(0.01, 1000).default(1);
  const weighted = z.strictObject({ model: z.string().min(1), weight }, { error });
  return z.union([z.string().min(1), weighted], { error });
}

export type ModelEntry = z.output<typeof modelSchema>;

export function layers(): z.ZodInt {
  return integer(0, 10_000);
}

export function loading() {
  return z.enum(["start", "first_use"], { error: "expected start or first_use" });
}

function delay(): z.ZodString {
  const error = "expected a time such as 300ms or 1s, or p50 to p99";
  return z.string({ error }).regex(/^((\d+(\.\d+)?(ms|s|m))+|p[5-9]\d)$/, { error });
}

/** With units, so that nobody has to guess them; only 0 and -1 need none. */
export function duration() {
  const error = "expected a time such as 30s, 10m or 1h30m, 0 or never";
  const spelt = z.string().regex(/^(0|-1|never|(\d+(\.\d+)?(ms|s|m|h))+)$/, { error });
  return z.union([spelt, z.literal(0), z.literal(-1)], { error });
}
