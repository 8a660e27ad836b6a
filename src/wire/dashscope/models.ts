/** DashScope's calls about models: which there are, which a workspace may call and how much (docs/wire.md 7.4). */
import { z } from "zod";

/** Around every answer that is no error. */
function envelope<Output extends z.ZodType>(output: Output, id: string) {
  return z
    .object({
      request_id: z.string().describe("Equals the `x-request-id` header"),
      code: z.null(),
      message: z.null(),
      success: z.literal(true),
      output,
    })
    .meta({ id });
}

const page = {
  total: z.int().describe("Of all pages"),
  page_no: z.int().describe("From 1"),
  page_size: z.int(),
};

export const nativeModels = envelope(
  z.object({
    ...page,
    models: z.array(
      z.object({
        model: z.string().describe("The name to call"),
        name: z.string(),
        inference_metadata: z.object({
          request_modality: z.array(z.string()),
          response_modality: z.array(z.string()),
        }),
        model_info: z.object({
          context_window: z.int().nullable().describe("Tokens; null: not known yet"),
          max_input_tokens: z.int().nullable(),
          max_output_tokens: z.int().nullable(),
        }),
      }),
    ),
  }),
  "DashScopeModels",
);

export const modelPermissions = envelope(
  z.object({
    ...page,
    permissions: z.array(
      z.object({
        model: z.string(),
        name: z.string(),
        permissions: z.object({ inference: z.boolean(), fine_tune: z.literal(false), deploy: z.literal(false) }),
      }),
    ),
  }),
  "DashScopeModelPermissions",
);

const rateLimit = z
  .object({
    request_limit: z.int().nullable().describe("null: no bound"),
    request_limit_period: z.literal(60).describe("Seconds"),
    usage_limit: z.int().nullable().describe("Tokens of prompt and answer; null: no bound"),
    usage_limit_field: z.literal("total_tokens"),
    usage_limit_period: z.literal(60).describe("Seconds"),
  })
  .meta({ id: "DashScopeRateLimit" });

export const modelLimits = envelope(
  z.object({
    ...page,
    quotas: z.array(
      z.object({
        model: z.string(),
        workspace_id: z.string(),
        model_limit: rateLimit.describe("Of the account, which has no limits here: every bound is null"),
        workspace_limit: rateLimit.nullable().describe("null: the workspace has no limit per minute for this model"),
      }),
    ),
  }),
  "DashScopeModelLimits",
);

export const permissionsChanged = envelope(z.null(), "DashScopePermissionsChanged");

/** Most models of one change. */
const MOST_MODELS = 20;

const right = z.boolean({ error: "expected true, false or null" }).nullish();

export const permissionChange = z
  .object(
    {
      models: z
        .array(
          z.object(
            {
              model: z
                .string({ error: "expected the name of a model" })
                .regex(/^[^\s\p{C}*]{1,200}$/u, { error: "expected the name of a model, without blanks or `*`" }),
              inference: right.describe("true: may be called from now on; false: no more; absent: as before"),
              finetune: right.describe("Not offered: only false and null"),
              fine_tune: right.describe("The same"),
              deploy: right.describe("Not offered: only false and null"),
            },
            { error: "expected an object with `model`" },
          ),
          { error: "expected a list of models" },
        )
        .max(MOST_MODELS, { error: `expected at most ${MOST_MODELS} models` })
        .nullish(),
      access_all_entities: z
        .enum(["OPEN", "CLOSE", "KEEP"], { error: "expected OPEN, CLOSE or KEEP" })
        .nullish()
        .describe("OPEN: every model, later ones too; CLOSE: all grants are taken back; KEEP: as before"),
    },
    { error: "expected an object" },
  )
  .meta({ id: "DashScopePermissionChange" });

export type NativeModels = z.infer<typeof nativeModels>;
export type ModelPermissions = z.infer<typeof modelPermissions>;
export type ModelLimits = z.infer<typeof modelLimits>;
export type PermissionsChanged = z.infer<typeof permissionsChanged>;
export type PermissionChange = z.infer<typeof permissionChange>;
