import type { Admission, Reservation } from "../accounts/meter.ts";
import type { ModelCard } from "../continuation/card.ts";
import type { Continuation, PromptPart } from "../continuation/input.ts";
import type { StreamPart } from "../continuation/output.ts";
import type { ContinuationRequest } from "../continuation/request.ts";

/** UTF-8 bytes of a token, rather few than many: what is reserved for a prompt should be enough for it. */
const BYTES_PER_TOKEN = 3;

/** The most that requests may use, about: the prompts guessed from their length, the answers at their bound. */
export function tokensAskedFor(
  requests: readonly ContinuationRequest[],
  card: ModelCard,
): Pick<Admission, "promptTokens" | "completionTokens"> {
  const sum = (of: (request: ContinuationRequest) => number): number =>
    requests.reduce((total, request) => total + of(request), 0);
  return {
    promptTokens: sum(({ input }) => Math.min(card.maxInputTokens, promptTokens(input))),
    completionTokens: sum(({ limits, choices }) => choices * (limits.maxTokens ?? card.maxOutputTokens)),
  };
}

/** The same parts, counted in a reservation as they pass. */
export async function* metered(parts: AsyncIterable<StreamPart>, reservation: Reservation): AsyncGenerator<StreamPart> {
  let accepting: Promise<void> | undefined;
  for await (const part of parts) {
    if (part.type === "start") {
      accepting = reservation.accepted(part.promptTokens);
    } else {
      // The prompt is evaluated meanwhile, so this rarely waits.
      await accepting;
      accepting = undefined;
    }
    if (part.type === "delta") reservation.produced(part.tokens?.length ?? 1);
    if (part.type === "usage") reservation.used(part.usage);
    yield part;
    reservation.delivered();
  }
}

function promptTokens(input: Continuation): number {
  if (input.kind === "tokens") return input.tokens.length;
  return Math.ceil(Buffer.byteLength(textOf(input)) / BYTES_PER_TOKEN);
}

function textOf(input: Exclude<Continuation, { readonly kind: "tokens" }>): string {
  if (input.kind === "text") return joined(input.parts);
  if (input.kind === "infill") return joined(input.context) + input.prefix + input.suffix + input.middle;
  return input.messages.map(({ content }) => joined(content)).join("") + (input.assistantPrefix ?? "");
}

function joined(parts: readonly PromptPart[]): string {
  return parts.map((part) => ("text" in part ? part.text : part.control)).join("");
}
