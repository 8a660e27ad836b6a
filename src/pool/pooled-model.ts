import type { Engine, EngineModel } from "../continuation/engine.ts";

/**
 * What any of the engines can do that is known by now: a request that one refuses goes to another. Waits for the first that
 * knows; rejects with the first's reason when none does.
 */
export async function pooledModel(all: readonly Engine[], signal: AbortSignal): Promise<EngineModel> {
  // One that is away is looked for by itself; a request that waits for nobody else has it asked anew.
  const there = all.filter((engine) => engine.health().state !== "failed");
  const engines = there.length > 0 ? there : all;
  const known: (EngineModel | undefined)[] = engines.map(() => undefined);
  const asked = engines.map(async (engine, index) => {
    known[index] = await engine.model(signal);
  });
  try {
    await Promise.any(asked);
  } catch (error) {
    throw error instanceof AggregateError ? error.errors[0] : error;
  }
  return merged(known.filter((model) => model !== undefined));
}

/** The room is what the smallest has, so that an answer can go on anywhere. */
function merged(models: readonly EngineModel[]): EngineModel {
  const [first] = models;
  if (first === undefined) throw new RangeError("no engine is known");
  const contexts = models.flatMap(({ contextTokens }) => contextTokens ?? []);
  const fim = models.find((model) => model.fim !== undefined)?.fim;
  const chat = models.some((model) => model.chat);
  return {
    id: first.id,
    ...(contexts.length > 0 && { contextTokens: Math.min(...contexts) }),
    ...(first.vocabularySize !== undefined && { vocabularySize: first.vocabularySize }),
    ...(fim !== undefined && { fim }),
    chat,
    ...(chat && !models.some((model) => model.partial ?? model.chat) && { partial: false }),
    defaults: first.defaults,
  };
}
