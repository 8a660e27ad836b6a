import { join } from "node:path";
import { type Command, Option } from "commander";
import { loadCatalogue, loadDataDir } from "../../config/load.ts";
import { nearest } from "../../config/nearest.ts";
import { processSurroundings, type Surroundings } from "../../config/surroundings.ts";
import { BUILT_IN_NAME } from "../../models/built-in.ts";
import { sizeText } from "../../models/bytes.ts";
import { ModelFailure } from "../../models/failure.ts";
import { HUB_IDS, type HubId, hubsFrom } from "../../models/hub.ts";
import { memoryBytes } from "../../models/machine.ts";
import { type Pulled, pull } from "../../models/pull.ts";
import { type Machine, recommend } from "../../models/recommend.ts";
import { PATIENCE } from "../../models/retry.ts";
import { ModelStore } from "../../models/store.ts";
import { Transport } from "../../models/transport.ts";
import { EXIT } from "../failure.ts";
import { aligned } from "../listing.ts";
import { ProgressView } from "../progress.ts";
import { listenForStop } from "../stop-signals.ts";
import { outputTo, say } from "../terminal.ts";

interface PullFlags {
  readonly hub: HubId;
  readonly name?: string;
  readonly connections: string;
  readonly dataDir?: string;
  readonly config?: string;
}

const EXAMPLES = `
MODEL is one of
  a catalogue name             qwen2.5-coder-7b-instruct (\`continuo models --available\` lists them)
  hf:OWNER/REPOSITORY          on Hugging Face
  ms:OWNER/REPOSITORY          on ModelScope
  an https address, or a path  of a .gguf file; a path is linked or copied
Without MODEL, models that suit this machine are listed and nothing is downloaded.
:FILE or :QUANTISATION after a name or repository selects one of its files; without it, one is chosen that
fits the memory of this machine. All shards of a model are downloaded.

To resume an interrupted download, run the same command again.

Environment: HF_ENDPOINT, HF_TOKEN; MODELSCOPE_ENDPOINT, MODELSCOPE_API_TOKEN (a mirror, a token);
CONTINUO_HUB (as --hub); HTTPS_PROXY, HTTP_PROXY, NO_PROXY.

Examples:
  $ continuo pull
  $ continuo pull qwen2.5-coder-1.5b-instruct
  $ continuo pull qwen2.5-coder-7b-instruct:q8_0 --hub ms
  $ continuo pull hf:Qwen/Qwen2.5-7B-Instruct-GGUF:q4_k_m
  $ HF_ENDPOINT=https://hf-mirror.com continuo pull qwen2.5-0.5b-instruct
  $ continuo pull ./my-model.gguf --name mine
then
  $ continuo serve --model qwen2.5-coder-1.5b-instruct`;

/** Adds `continuo pull` to the program. */
export function addPullCommand(program: Command): void {
  program
    .command("pull")
    .summary("download a model")
    .description("Downloads a model, verifies it, and stores it under a name for `serve --model`.")
    .argument("[model]", "catalogue name, hf:OWNER/REPOSITORY, ms:OWNER/REPOSITORY, address or path")
    .option("--name <name>", "name to store it under (default: the catalogue name, else the file name)")
    .addOption(
      new Option("--hub <hub>", "where catalogue names come from: hf (Hugging Face) or ms (ModelScope)")
        .choices(HUB_IDS)
        .default("hf")
        .env("CONTINUO_HUB"),
    )
    .option("--connections <n>", "parallel connections, 1 to 16", "4")
    .option("--data-dir <dir>", "directory for the database and pulled models")
    .option("--config <file>", "YAML configuration, for its data_dir and catalogue")
    .addHelpText("after", EXAMPLES)
    .action(run);
}

async function run(model: string | undefined, flags: PullFlags): Promise<void> {
  const surroundings = processSurroundings();
  const dataDir = loadDataDir(flags, surroundings);
  if (model === undefined) await advise(dataDir);
  else await bring(model, flags, dataDir, surroundings);
}

/** A script that forgot the model must not go on as if it had one: the exit code is that of a wrong command line. */
async function advise(dataDir: string): Promise<void> {
  const machine = await thisMachine(dataDir);
  const output = outputTo(process.stdout);
  await output.write(adviceText(machine));
  output.end();
  say("Nothing was pulled; name one: continuo pull MODEL");
  process.exitCode = EXIT.usage;
}

async function bring(model: string, flags: PullFlags, dataDir: string, surroundings: Surroundings): Promise<void> {
  const store = new ModelStore(dataDir);
  const connections = connectionsFrom(flags.connections);
  const view = new ProgressView({ stream: process.stderr, now: () => performance.now() });
  const stop = new AbortController();
  const signals = listenForStop();
  void signals.first.then((reason) => stop.abort(stoppedBy(reason)));
  void signals.second.then(() => process.exit(EXIT.interrupted));
  const transport = new Transport();
  try {
    const pulled = await pull(model, {
      store,
      transport,
      connections,
      catalogue: loadCatalogue(flags, surroundings),
      hubs: hubsFrom(process.env),
      preferred: flags.hub,
      ...(flags.name !== undefined && { name: flags.name }),
      memoryBytes: memoryBytes(),
      patience: PATIENCE,
      isFile: surroundings.isFile,
      nearest,
      now: () => Date.now(),
      progress: (progress) => view.update(progress),
      say: (line) => view.say(line),
      signal: stop.signal,
    });
    view.end();
    for (const line of outcome(pulled)) say(line);
  } finally {
    view.end();
    signals.release();
    await transport.close();
  }
}

/** What `continuo pull` prints without a model. */
export function adviceText(machine: Machine): string {
  const { memoryBytes: memory, cores, gpuBytes } = machine;
  const gpu = gpuBytes === undefined ? "no GPU in use" : `${sizeText(gpuBytes)} of GPU memory`;
  const table = aligned([
    ["FOR", "MODEL", "SIZE", "WHY"],
    ...recommend(machine).map(({ purpose, model, sizeBytes, why }) => [
      purpose,
      model ?? `${BUILT_IN_NAME} (in the package)`,
      sizeBytes === undefined ? "-" : sizeText(sizeBytes),
      why,
    ]),
  ]);
  return `This machine: ${sizeText(memory)} of memory, ${cores} cores, ${gpu}\n\n${table}`;
}

/** Of Apple's memory the GPU may use about this part. */
const METAL_PART = 0.7;

async function thisMachine(dataDir: string): Promise<Machine> {
  const { chooseLibraries } = await import("../../engines/llama/probe/engine-choice.ts");
  const { physicalCores } = await import("../../engines/llama/native/cores.ts");
  const { gpus } = await chooseLibraries("auto", join(dataDir, "engines"));
  const memory = memoryBytes();
  const hasMetal = process.platform === "darwin" && process.arch === "arm64";
  const gpuBytes = hasMetal ? memory * METAL_PART : gpus.reduce((sum, { totalBytes }) => sum + totalBytes, 0);
  return { memoryBytes: memory, cores: physicalCores(), ...(gpuBytes > 0 && { gpuBytes }) };
}

function connectionsFrom(text: string): number {
  const connections = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (connections >= 1 && connections <= 16) return connections;
  throw new ModelFailure(`--connections: expected an integer from 1 to 16, found "${text}"`, "usage");
}

function stoppedBy(reason: string): ModelFailure {
  return new ModelFailure(
    `stopped (${reason}); what arrived is kept. Run the same command again to go on, or \`continuo rm --parts\` to give it up`,
    "interrupted",
  );
}

function outcome({ model: { manifest, file, sizeBytes }, wasThere }: Pulled): readonly string[] {
  const { name, files, quantization } = manifest;
  const what = [name, ...(quantization === undefined ? [] : [quantization]), sizeText(sizeBytes)].join(", ");
  const isFromAfar = /^(hf:|ms:|https?:)/.test(manifest.source);
  const unchecked = files.filter(({ isChecked }) => !isChecked).map((each) => each.name);
  return [
    wasThere ? `Already here and up to date: ${what}.` : `Pulled ${what}.`,
    `  ${file}`,
    ...(isFromAfar && unchecked.length > 0
      ? [`  ${unchecked.join(", ")}: the server names no checksum, so only the size was compared.`]
      : []),
    `Serve it with: continuo serve --model ${name}`,
  ];
}
