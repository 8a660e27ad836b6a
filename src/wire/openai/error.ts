import { z } from "zod";

/** Error body of the OpenAI-shaped routes (docs/wire.md 6.2). */
export const openAiErrorBody = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string().describe("`invalid_request_error` for bad requests, otherwise equal to `code`"),
      param: z.string().nullable().describe("The field at fault on `/v1` paths; null on DashScope paths"),
      code: z.string(),
    }),
    id: z.string().optional().describe("Present when the request was refused behind the gateway"),
    request_id: z.string().describe("Equals the `x-request-id` header"),
  })
  .meta({ id: "OpenAiError" });

export type OpenAiErrorBody = z.infer<typeof openAiErrorBody>;
