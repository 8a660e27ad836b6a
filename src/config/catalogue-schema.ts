/** The catalogue, name by name: the format of `catalogue.json` and of the key `catalogue` in the configuration. */
import { z } from "zod";
import { flag, integer, list, mapping, name, text } from "./kinds.ts";
import { samplingSchema } from "./sampling.ts";

const MOST_TOKENS = 2 ** 31;

const entry = z.strictObject(
  {
    like: text("a name of the catalogue")
      .optional()
      .describe("Name to inherit missing fields from, except `snapshot`, `aliases`, `weights` and `gguf`."),
    completions: flag().optional().describe("Available on the completions routes. Default: yes."),
    partial: flag().optional().describe("Supports Partial Mode. Default: yes."),
    context: integer(16, MOST_TOKENS)
      .optional()
      .describe(
        "Maximum tokens of prompt and answer together. Default of this and the next two: what the weights allow.",
      ),
    max_input_tokens: integer(1, MOST_TOKENS)
      .optional()
      .describe("Maximum prompt length in tokens; at most what a slot holds."),
    max_output_tokens: integer(1, MOST_TOKENS)
      .optional()
      .describe("Maximum answer length in tokens; at most what a slot holds."),
    sampling: samplingSchema.optional(),
    snapshot: text("a model name").optional().describe("Dated version that the name stands for."),
    aliases: list(name(), "model names").optional().describe("Other spellings of the name."),
    weights: repository()
      .optional()
      .describe("Repository of the open weights; `pull` downloads from this name with `-GGUF` appended."),
    gguf: repository().optional().describe("Repository that `pull` downloads from instead."),
    source: text("an address or a title").optional().describe("Where the name is documented."),
    date: date().optional().describe("Date of that source."),
    note: text("a remark").optional().describe("Comment."),
  },
  mapping("what a name may do, such as `partial: true` or `like: qwen-plus`"),
);

export const catalogueSchema = z.record(name(), entry, mapping("names, each with what it may do"));

/** Entries by name, in the file's spelling. */
export type CatalogueFile = z.output<typeof catalogueSchema>;
export type CatalogueFileEntry = z.output<typeof entry>;

function repository(): z.ZodString {
  const error = "expected OWNER/REPOSITORY";
  return z.string({ error }).regex(/^[\w.-]+\/[\w.-]+$/, { error });
}

function date(): z.ZodString {
  const error = "expected a date such as 2026-03-15 or 2026-03";
  return z.string({ error }).regex(/^\d{4}-\d{2}(-\d{2})?$/, { error });
}
