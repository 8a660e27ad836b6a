import { z } from "zod";

/** Error body of DashScope's own routes, plain or as the data of an `event:error` (docs/wire.md 6.2, 6.7). */
export const dashScopeErrorBody = z
  .object({
    code: z.string(),
    message: z.string(),
    request_id: z.string().describe("Equals the `x-request-id` header"),
  })
  .meta({ id: "DashScopeError" });

export type DashScopeErrorBody = z.infer<typeof dashScopeErrorBody>;
