import { createHash } from "node:crypto";
import type { PromptPart } from "../continuation/input.ts";
import type { ContinuationRequest } from "../continuation/request.ts";
import { samplingOf } from "../continuation/sampling.ts";

/** Where somebody types: the text before the cursor, and everything else that decides what a model says there. */
export interface Place {
  /** Ends at the cursor, and grows when somebody types. */
  readonly text: string;
  /** Digest of the rest of the request: what stands behind the cursor and before the text, model, sampling, stops. */
  readonly rest: string;
}

/** The place of a request that continues raw text or fills a gap; undefined for dialogues and ids. */
export function placeOf(request: ContinuationRequest): Place | undefined {
  const { input } = request;
  if (input.kind === "infill") {
    const { prefix, ...around } = input;
    return { text: prefix, rest: digestOfRest(request, around) };
  }
  if (input.kind !== "text") return undefined;
  const last = input.parts.at(-1);
  if (last === undefined || !("text" in last)) return undefined;
  return { text: last.text, rest: digestOfRest(request, { kind: input.kind, parts: input.parts.slice(0, -1) }) };
}

/** The same request with another text before the cursor. Only for a request that has a place. */
export function movedTo(request: ContinuationRequest, text: string): ContinuationRequest {
  const { input } = request;
  if (input.kind === "infill") return { ...request, input: { ...input, prefix: text } };
  if (input.kind !== "text") throw new TypeError(`a request of the kind ${input.kind} has no place`);
  const parts: PromptPart[] = [...input.parts.slice(0, -1), { text }];
  return { ...request, input: { ...input, parts } };
}

/** Digest of a text, exact for any UTF-16. */
export function digestOf(text: string): string {
  return createHash("sha256").update(text, "utf16le").digest("base64");
}

/** Without the bound of the answer, which is compared with what is known, and without what never changes a text. */
function digestOfRest(request: ContinuationRequest, around: object): string {
  const { model, tokenHealing, gapEnd, limits } = request;
  const { logitBias, ...sampling } = samplingOf(request);
  const { minTokens, ignoreEnds, stopStrings, stopSequences } = limits;
  const said = [
    around,
    ...[model, tokenHealing ?? null, gapEnd ?? null, sampling, [...(logitBias ?? [])]],
    ...[minTokens ?? 0, ignoreEnds ?? false, stopStrings, stopSequences],
  ];
  return digestOf(JSON.stringify(said));
}
