/**
 * The engine process: one model, one scheduler, messages in and out. It may die at any time; the server goes on without
 * it and starts another. It leaves when the server is gone.
 */
import koffi from "koffi";
import { bindApi, type LlamaApi, type Pointer } from "./native/api.ts";
import { NativeContext } from "./native/context.ts";
import { defaultThreads } from "./native/cores.ts";
import { whyNoGpu } from "./native/gpu.ts";
import { loadLibraries } from "./native/library.ts";
import { NativeModel } from "./native/model.ts";
import { Threads } from "./native/threads.ts";
import { Scheduler } from "./schedule/scheduler.ts";
import type { FromEngine, LoadMessage, Sign, ToEngine } from "./wire/messages.ts";
import { type Progress, withReads } from "./wire/progress.ts";
import { BATCH_TOKENS, CPU_BLOCK_TOKENS, GPU_BLOCK_TOKENS } from "./wire/sizes.ts";

let scheduler: Scheduler | undefined;
let context: NativeContext | undefined;
let loading: Progress = { count: 0, activity: "loading the model" };

process.on("message", (message: ToEngine) => {
  if (message.type === "load") void load(message).catch(fail);
  else if (message.type === "generate") scheduler?.submit(message);
  else if (message.type === "abort") scheduler?.abort(message.id);
  else if (message.type === "ping")
    send({ type: "pong", progress: withReads(context?.progress ?? loading, process.resourceUsage()) });
  else scheduler?.pause(message.id, message.paused);
});
process.on("disconnect", leave);
// Ctrl-C reaches the whole process group; the server decides when its engines stop.
process.on("SIGINT", () => {});
process.on("SIGTERM", () => {});

async function load({ path, options, libraries: folder, gpuLayers }: LoadMessage): Promise<void> {
  const libraries = loadLibraries(folder);
  const api = bindApi(libraries);
  const model = await loadWatched(api, path, gpuLayers);
  const threads = options.threads ?? defaultThreads();
  const onGpu = gpuLayers !== 0 && libraries.devices.some(({ kind }) => kind === "gpu");
  const blockTokens = onGpu ? GPU_BLOCK_TOKENS : CPU_BLOCK_TOKENS;
  context = new NativeContext(api, model, {
    slots: options.slots,
    slotTokens: options.slotTokens,
    threads,
    ...(!onGpu && { choice: new Threads(threads) }),
    batchTokens: BATCH_TOKENS,
    microBatchTokens: blockTokens,
    threadInvariant: options.deterministic,
  });
  const now = () => performance.now();
  scheduler = new Scheduler(context, model, { ...options, blockTokens, now, send, report });
  const fellBack = folder === undefined ? undefined : whyNoGpu(libraries);
  send({
    type: "ready",
    facts: model.facts,
    slots: options.slots,
    slotTokens: context.slotTokens,
    threads,
    runsOn: [libraries.cpuVariant, ...libraries.backends]
      .map((file) => file.replace(/^(lib)?ggml-|\.\w+$/g, ""))
      .join(", "),
    ...(fellBack !== undefined && { fellBack }),
  });
  model.pieces.warm();
  await scheduler.run();
}

/** Loads with two callbacks into JavaScript: the log, which alone has the reason of a failure, and the progress. */
async function loadWatched(api: LlamaApi, path: string, gpuLayers: number | undefined): Promise<NativeModel> {
  const errors: string[] = [];
  const log = koffi.register(
    (level: number, text: string) => {
      if (level >= 4 && text.trim() !== "") errors.push(text.trim());
    },
    koffi.pointer(koffi.proto("void LogCallback(int level, str text, void *data)")),
  );
  let hundredths = 0;
  const progress = koffi.register(
    (fraction: number) => {
      if (Math.floor(100 * fraction) > hundredths) {
        hundredths = Math.floor(100 * fraction);
        send({ type: "progress", fraction });
        loading = { ...loading, count: hundredths };
      }
      return true; // false would stop loading
    },
    koffi.pointer(koffi.proto("bool ProgressCallback(float fraction, void *data)")),
  );
  const params = {
    progress_callback: progress as Pointer,
    ...(gpuLayers !== undefined && { n_gpu_layers: gpuLayers }),
  };
  api.logSet(log, null);
  try {
    return await NativeModel.load(api, path, () => errors.slice(0, 3).join("; "), params);
  } finally {
    api.logSet(api.isQuantizedSymbol, null);
    koffi.unregister(log);
    koffi.unregister(progress);
  }
}

function send(message: FromEngine | Sign): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {}); // a server that has gone shows as "disconnect"
}

/** Before the model serves, the server is told why it never will; afterwards it sees a crash and starts another process. */
function fail(error: unknown): void {
  if (scheduler !== undefined || !process.connected) {
    report(error);
    process.exit(1);
  }
  const message = error instanceof Error ? error.message : String(error);
  process.send?.({ type: "failed", message } satisfies FromEngine, () => process.exit(1));
}

function report(error: unknown): void {
  process.stderr.write(`engine process: ${error instanceof Error ? error.stack : String(error)}\n`);
}

function leave(): void {
  context?.abort(); // leaving waits for a running decode otherwise
  process.exit(0);
}
