/**
 * The engine process: one model, one scheduler, messages in and out. It may die at any time; the server goes on without
 * it and starts another. It leaves when the server is gone.
 */
import koffi from "koffi";
import { bindApi, type LlamaApi } from "./api.ts";
import { NativeContext } from "./context.ts";
import { defaultThreads } from "./cores.ts";
import { loadLibraries } from "./library.ts";
import type { EngineOptions, FromEngine, LoadMessage, ToEngine } from "./messages.ts";
import { type ModelFacts, NativeModel } from "./model.ts";
import { Scheduler } from "./scheduler.ts";
import { FIXED_SLICE, MAX_SLICE } from "./slice.ts";

/** Rows of one decode: a full bulk slice beside every slot's answer. */
const BATCH_TOKENS = MAX_SLICE + 64;

/** Context tokens per slot unless the model was trained for fewer. */
const DEFAULT_SLOT_TOKENS = 8_192;

/** Below this a slot is of little use; if even that does not fit, making the context fails and says so. */
const MIN_SLOT_TOKENS = 512;

let scheduler: Scheduler | undefined;
let context: NativeContext | undefined;

process.on("message", (message: ToEngine) => {
  if (message.type === "load") void load(message).catch(fail);
  else if (message.type === "generate") scheduler?.submit(message);
  else if (message.type === "abort") scheduler?.abort(message.id);
  else scheduler?.pause(message.id, message.paused);
});
process.on("disconnect", leave);
// Ctrl-C reaches the whole process group; the server decides when its engines stop.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

async function load({ path, options }: LoadMessage): Promise<void> {
  const libraries = loadLibraries();
  const api = bindApi(libraries);
  const model = await loadQuietly(api, path);
  const threads = options.threads ?? defaultThreads();
  const slotTokens = fittingSlotTokens(model.facts, options);
  context = new NativeContext(api, model, {
    slots: options.slots,
    slotTokens,
    threads,
    batchTokens: BATCH_TOKENS,
    microBatchTokens: options.deterministic ? FIXED_SLICE : MAX_SLICE,
    shared: !options.deterministic,
  });
  scheduler = new Scheduler(context, model, { ...options, now: () => performance.now(), send });
  send({
    type: "ready",
    facts: model.facts,
    slots: options.slots,
    slotTokens: context.slotTokens,
    threads,
    runsOn: [libraries.cpuVariant, ...libraries.backends]
      .map((file) => file.replace(/^(lib)?ggml-|\.\w+$/g, ""))
      .join(", "),
  });
  await scheduler.run();
}

/** The library gives the reason for a failed load only to its log, so the log is kept while loading. */
async function loadQuietly(api: LlamaApi, path: string): Promise<NativeModel> {
  const errors: string[] = [];
  const type = koffi.pointer(koffi.proto("void LogCallback(int level, str text, void *data)"));
  const listener = koffi.register((level: number, text: string) => {
    if (level >= 4 && text.trim() !== "") errors.push(text.trim());
  }, type);
  api.logSet(listener, null);
  try {
    return await NativeModel.load(api, path, () => errors.slice(0, 3).join("; "));
  } finally {
    api.logSet(api.isQuantizedSymbol, null);
    koffi.unregister(listener);
  }
}

/** The default, halved until the cache of all slots fits in four fifths of the memory that is free. */
function fittingSlotTokens(facts: ModelFacts, options: EngineOptions): number {
  if (options.slotTokens !== undefined) return options.slotTokens;
  let tokens = Math.min(DEFAULT_SLOT_TOKENS, facts.trainedTokens);
  const budget = 0.8 * process.availableMemory();
  while (tokens > MIN_SLOT_TOKENS && tokens * options.slots * facts.cacheBytesPerToken > budget)
    tokens = Math.ceil(tokens / 2);
  return tokens;
}

function send(message: FromEngine): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a server that has gone shows as "disconnect"
}

/** Before the model serves, the server is told why it never will; afterwards it sees a crash and starts another process. */
function fail(error: unknown): void {
  if (scheduler !== undefined || !process.connected) {
    process.stderr.write(`engine process: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  }
  const message = error instanceof Error ? error.message : String(error);
  process.send?.({ type: "failed", message } satisfies FromEngine, () => process.exit(1));
}

function leave(): void {
  context?.abort(); // leaving waits for a running decode otherwise
  process.exit(0);
}
