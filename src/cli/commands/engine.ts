import { Argument, type Command } from "commander";
import { loadDataDir } from "../../config/load.ts";
import {
  ENGINE_VERSION,
  GPU_KINDS,
  type GpuKind,
  gpuLibraryFolder,
} from "../../engines/llama/native/library-folder.ts";
import { type LibraryReport, probeLibraries } from "../../engines/llama/probe/probe.ts";
import { sizeText } from "../../models/bytes.ts";
import {
  enginesFolder,
  folderBytes,
  installPackage,
  packageFor,
  removePackage,
  unpackedBytes,
} from "../engine-packages.ts";
import { CommandFailure } from "../failure.ts";
import { Pace, whileShowing } from "../status-line.ts";
import { outputTo, say } from "../terminal.ts";
import { addProbeCommand } from "./engine-probe.ts";

interface EngineFlags {
  readonly dataDir?: string;
  readonly config?: string;
}

const EXAMPLES = `
The CPU libraries (on Apple silicon with Metal) are part of Continuo. CUDA and Vulkan are npm packages, installed in
the data directory. "serve" uses them if they find a GPU; --engine overrides the choice.

Examples:
  $ continuo engine add cuda
  $ continuo engine list
  $ continuo engine remove cuda
  $ continuo engine probe http://127.0.0.1:8080`;

/** Adds `continuo engine` to the program. */
export function addEngineCommand(program: Command): void {
  const engine = program
    .command("engine")
    .summary("install libraries for GPUs, look at engines elsewhere")
    .description("Installs, lists and removes llama.cpp libraries for GPUs, and shows what an engine elsewhere can do.")
    .addHelpText("after", EXAMPLES);
  const withFolder = (command: Command): Command =>
    command
      .option("--data-dir <dir>", "directory for the database and pulled models")
      .option("--config <file>", "YAML configuration, for its data_dir");
  const kind = (): Argument => new Argument("<kind>", "what computes").choices(GPU_KINDS);
  withFolder(engine.command("add").description("Installs libraries and tests them.").addArgument(kind())).action(add);
  withFolder(engine.command("list").description("Lists installed libraries and the GPUs they find.")).action(list);
  addProbeCommand(engine);
  withFolder(engine.command("remove").description("Removes libraries.").addArgument(kind())).action(remove);
}

async function add(kind: GpuKind, flags: EngineFlags): Promise<void> {
  const folder = enginesFolder(loadDataDir(flags));
  const name = packageFor(kind);
  const pace = new Pace();
  const bytes = await whileShowing(
    () => `asking npm for ${name}, ${pace.text(0, 1)}`,
    () => unpackedBytes(kind),
  );
  say(`Installing ${name}${bytes === undefined ? "" : ` (${sizeText(bytes)})`} into ${folder} …`);
  const libraries = await whileShowing(
    () => `npm is downloading and unpacking ${name}, ${pace.text(0, 1)}`,
    () => installPackage(kind, folder),
  );
  say(`Installed: ${sizeText(await folderBytes(libraries))} in ${libraries}`);
  const { whyNoGpu, ...report } = await tried(libraries);
  if (whyNoGpu === undefined) {
    say(`It works: ${devicesIn(report)}. "continuo serve" uses it from its next start on.`);
  } else {
    say(`No GPU can be used with it yet: ${whyNoGpu}.`);
    say("Until then models run on the processor, and the start-up text says so.");
  }
}

async function list(flags: EngineFlags): Promise<void> {
  const folder = enginesFolder(loadDataDir(flags));
  const output = outputTo(process.stdout);
  await output.write(`cpu     ${ENGINE_VERSION}  ${await line()}\n`);
  for (const kind of GPU_KINDS) {
    const libraries = gpuLibraryFolder(kind, folder);
    const text = libraries === undefined ? "-       not installed" : `${ENGINE_VERSION}  ${await line(libraries)}`;
    await output.write(`${kind.padEnd(8)}${text}\n`);
  }
  output.end();
}

/** What libraries find on this machine, on one line; also when they cannot be loaded. */
async function line(libraries?: string): Promise<string> {
  try {
    const report = await probeLibraries(libraries);
    if (libraries === undefined) return `${report.cpuVariant}: ${devicesIn(report)}`;
    return report.whyNoGpu === undefined ? devicesIn(report) : `no GPU can be used: ${report.whyNoGpu}`;
  } catch (error) {
    return `cannot be used: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function remove(kind: GpuKind, flags: EngineFlags): Promise<void> {
  const folder = enginesFolder(loadDataDir(flags));
  if (!(await removePackage(kind, folder))) throw new CommandFailure(`${kind} is not installed in ${folder}`);
  say(`Removed ${kind}. A server that runs keeps what it has loaded until it stops.`);
}

async function tried(libraries: string): Promise<LibraryReport> {
  try {
    return await probeLibraries(libraries);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandFailure(`the libraries were installed but cannot be used: ${reason}`);
  }
}

function devicesIn({ devices }: Pick<LibraryReport, "devices">): string {
  return devices
    .map(({ name, description, totalBytes }) => {
      const memory = totalBytes > 0 ? `, ${sizeText(totalBytes)}` : "";
      return `${name} (${description.trim()}${memory})`;
    })
    .join(", ");
}
