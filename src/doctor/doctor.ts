/** Looks at everything a server needs before it is started: the machine, the libraries, and what the configuration names. */
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import { ConfigError } from "../config/error.ts";
import { loadConfig, loadDataDir } from "../config/load.ts";
import { fileModels } from "../config/models.ts";
import type { Flags } from "../config/settings.ts";
import { isSocketPath } from "../config/socket-path.ts";
import { processSurroundings, type Surroundings } from "../config/surroundings.ts";
import { DEFAULT_SLOTS } from "../engines/llama/host/memory.ts";
import { examineAccess } from "./access.ts";
import { examineDataFolder } from "./data-folder.ts";
import { examineDatabase } from "./database.ts";
import { examineEngines } from "./engine-elsewhere.ts";
import { type Finding, ok, problem, warning } from "./finding.ts";
import { examineLibraries, type Probe } from "./libraries.ts";
import { examineMachine, type Machine, thisMachine } from "./machine.ts";
import { examineModel } from "./model-file.ts";
import { examinePort } from "./port.ts";
import { examineSocket } from "./socket.ts";

/** What is examined; tests hand in their own. */
export interface Patient {
  readonly machine?: Machine;
  readonly probe?: Probe;
  readonly surroundings?: Surroundings;
}

/** @param flags those of `continuo serve`, with the same meaning. */
export async function examine(flags: Flags, patient: Patient = {}): Promise<readonly Finding[]> {
  const { machine = thisMachine(), surroundings = processSurroundings() } = patient;
  const read = readConfig(flags, surroundings);
  const groups = await Promise.all([
    examineMachine(machine),
    examineLibraries(join(read.dataDir, "engines"), patient.probe),
    read.findings,
    examineDataFolder(read.dataDir),
    ...(read.config === undefined ? [] : configured(read.config, machine)),
  ]);
  return groups.flat();
}

interface ReadConfig {
  readonly findings: readonly Finding[];
  readonly dataDir: string;
  /** Absent: it cannot be used. */
  readonly config?: Config;
}

function readConfig(flags: Flags, surroundings: Surroundings): ReadConfig {
  try {
    const config = loadConfig(flags, surroundings);
    return { findings: [ok("configuration", "valid")], dataDir: config.dataDir, config };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    const findings = error.problems.map(({ where, field, message }) =>
      problem("configuration", field === "" ? where : `${where}: ${field}`, message),
    );
    return { findings, dataDir: dataDirOf(flags, surroundings) };
  }
}

/** The default one where even the file cannot be read. */
function dataDirOf(flags: Flags, surroundings: Surroundings): string {
  try {
    return loadDataDir(flags, surroundings);
  } catch {
    return loadDataDir({}, { ...surroundings, env: {} });
  }
}

function configured(config: Config, machine: Machine): readonly (Finding | Promise<Finding>)[] {
  const { host, port } = config;
  const models = fileModels(config);
  const none = warning("models", "none", "name one with --model FILE, or get one with `continuo pull`");
  return [
    examineDatabase(config),
    isSocketPath(host) ? examineSocket(host) : examinePort(host, port),
    examineAccess(config),
    ...(config.models.length === 0 ? [none] : models.map((model) => examineModel(model, DEFAULT_SLOTS, machine))),
    ...examineEngines(config),
  ];
}
