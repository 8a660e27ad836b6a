import type { ServiceError } from "../../errors.ts";
import type { RefusedMessage } from "./messages.ts";

/** An error about a request, on its way to the server. */
export function refusal(id: number, { code, message, detail }: ServiceError): RefusedMessage {
  const { param, retryAfterMs } = detail;
  return {
    type: "refused",
    id,
    code,
    message,
    ...(param !== undefined && { param }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
}
