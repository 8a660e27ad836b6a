import type { FastifyInstance, FastifyRequest } from "fastify";
import type { ModelCard } from "../continuation/card.ts";
import type { Directory } from "../directory/directory.ts";
import { modelNotFound } from "../errors.ts";
import { takesCompletions, takesPartial } from "../protocols/capabilities.ts";
import type { Dialect } from "../protocols/protocol.ts";
import type { ModelEntry, ModelList } from "../wire/openai/models.ts";
import type { Caller } from "./auth.ts";
import { refuseOtherMethods } from "./methods.ts";
import { replicaStates, type ServingEngine } from "./serving-engine.ts";

export interface ModelParts {
  readonly directory: Directory;
  readonly engines: () => readonly ServingEngine[];
  /** Of callers and of administrators, who see every name. */
  readonly guard: (request: FastifyRequest) => Promise<void>;
  /** What the list says about when the models came to be: the start of the server. */
  readonly createdSeconds: number;
}

/** Where the list is found, and in which dialect: what a name can do is told as the paths beside it take it. */
const DIALECTS = { "/compatible-mode/v1/models": "dashscope", "/v1/models": "openai" } as const;

export const MODEL_PATHS = Object.keys(DIALECTS);

/** OpenAI's model list of what the caller may call, each entry with what the name can do here and who really answers. */
export function modelRoutes(app: FastifyInstance, parts: ModelParts): void {
  for (const [path, dialect] of Object.entries(DIALECTS)) {
    app.get(path, { onRequest: parts.guard }, ({ caller }, reply) => {
      const allowed = parts.directory.list().filter(({ name }) => caller.mayCall(name));
      const data = allowed.map((card) => modelEntry(card, dialect, caller, parts));
      reply.type("application/json").send(asJson({ object: "list", data }));
    });
    refuseOtherMethods(app, path, ["GET"]);
    // Names may contain slashes, encoded or not.
    app.get<{ Params: { "*": string } }>(`${path}/*`, { onRequest: parts.guard }, (request, reply) => {
      const model = request.params["*"];
      const card = request.caller.mayCall(model) ? parts.directory.find(model) : undefined;
      if (card === undefined) throw modelNotFound(model);
      reply.type("application/json").send(asJson(modelEntry(card, dialect, request.caller, parts)));
    });
    refuseOtherMethods(app, `${path}/*`, ["GET"]);
  }
}

function modelEntry(card: ModelCard, dialect: Dialect, caller: Caller, parts: ModelParts): ModelEntry {
  const { id, standIn, model } = card.answeredBy;
  const fim = model?.fim;
  const completions = takesCompletions(card, dialect);
  return {
    id: card.name,
    object: "model",
    created: parts.createdSeconds,
    owned_by: "system",
    continuo: {
      capabilities: {
        completions,
        fim: completions && fim !== undefined,
        fim_family: fim ?? null,
        suffix: completions && fim !== undefined,
        partial: takesPartial(card, dialect) && (model?.partial ?? model?.chat ?? true),
        chat: model?.chat ?? false,
      },
      context_length: known(card.contextTokens),
      max_input_tokens: known(card.maxInputTokens),
      max_output_tokens: known(card.maxOutputTokens),
      answered_by: id === "" ? null : id,
      stand_in: standIn,
      state: stateOf(card, parts.engines()),
      engine: howOf(id, caller, parts.engines()),
      fallbacks: parts.directory.fallbacksOf(id).filter((name) => caller.mayCall(name)),
    },
  };
}

/** A bound that only the weights know is infinite until they are loaded. */
function known(bound: number): number | null {
  return Number.isFinite(bound) ? bound : null;
}

function howOf(id: string, { seesReasons }: Caller, all: readonly ServingEngine[]): ModelEntry["continuo"]["engine"] {
  const shown = <T>(value: T | undefined): T | null => (seesReasons === true ? (value ?? null) : null);
  const of = (name: string): ServingEngine | undefined => all.find((each) => each.name === name);
  const engine = of(id);
  if (engine === undefined) return null;
  const { kind = "unknown", url, replicas } = engine;
  const answering = replicas?.().map(({ name }) => of(name)) ?? [engine];
  return {
    kind,
    address: shown(url),
    prefix: spellingsOf(answering),
    replicas: replicaStates(replicas?.() ?? [], all).map(({ name, state, detail, circuit, running }) => ({
      model: name,
      kind: of(name)?.kind ?? "unknown",
      address: shown(of(name)?.url),
      state,
      detail: shown(detail),
      circuit,
      running,
    })),
  };
}

/** How the beginning of an answer is taken; several ways where engines that answer alike differ in that. */
function spellingsOf(engines: readonly (ServingEngine | undefined)[]): string | null {
  const spellings = new Set(engines.flatMap((engine) => engine?.prefix?.() ?? []));
  return spellings.size === 0 ? null : [...spellings].join(", ");
}

function stateOf(card: ModelCard, engines: readonly ServingEngine[]): ModelEntry["continuo"]["state"] {
  const engine = engines.find(({ name }) => name === card.answeredBy.id)?.engine;
  if (engine !== undefined) return engine.health().state;
  return card.answeredBy.model === undefined ? "unavailable" : "ready";
}

function asJson(value: ModelEntry | ModelList): Buffer {
  return Buffer.from(JSON.stringify(value));
}
