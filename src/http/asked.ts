/** What every protocol reads of a request. */
import type { FastifyRequest } from "fastify";
import type { ModelCard } from "../continuation/card.ts";
import type { Directory } from "../directory/directory.ts";
import { modelNotFound, ServiceError } from "../errors.ts";

/** Throws `model_not_found`. */
export function existingModel(directory: Directory, name: string): ModelCard {
  const card = directory.find(name);
  if (card === undefined) throw modelNotFound(name);
  return card;
}

/** The name that a body calls. Throws `missing_model`. */
export function requestedModel(body: Readonly<Record<string, unknown>>): string {
  const { model } = body as { readonly model?: unknown };
  if (typeof model === "string" && model !== "") return model;
  throw new ServiceError("missing_model", "you must provide a model parameter.", { param: "model" });
}

/** One value each. */
export function singleHeaders(request: FastifyRequest): Record<string, string | undefined> {
  const entries = Object.entries(request.headers);
  return Object.fromEntries(entries.map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : value]));
}
