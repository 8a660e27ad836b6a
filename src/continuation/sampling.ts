import type { ContinuationRequest, Sampling } from "./request.ts";

/** The sampling of a request, field by field: the caller's, else the operator's, else what the model is recommended with. */
export function samplingOf({ sampling, defaults }: Pick<ContinuationRequest, "sampling" | "defaults">): Sampling {
  return { ...defaults?.model, ...defaults?.operator, ...sampling };
}
