#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { AccountFailure } from "../accounts/failure.ts";
import { ConfigError } from "../config/error.ts";
import { StoreFailure } from "../db/failure.ts";
import { ServiceError } from "../errors.ts";
import { FolderFailure } from "../folder.ts";
import { ModelFailure } from "../models/failure.ts";
import { VERSION } from "../version.ts";
import { visible } from "../visible.ts";
import { CommandFailure, EXIT } from "./failure.ts";
import { say } from "./terminal.ts";

/** By name, in the order of the help. */
const COMMANDS: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  serve: async () => (await import("./commands/serve.ts")).addServeCommand,
  complete: async () => (await import("./commands/complete.ts")).addCompleteCommand,
  pull: async () => (await import("./commands/pull.ts")).addPullCommand,
  models: async () => (await import("./commands/models.ts")).addModelsCommand,
  rm: async () => (await import("./commands/rm.ts")).addRmCommand,
  keys: async () => (await import("./commands/keys.ts")).addKeysCommand,
  workspaces: async () => (await import("./commands/workspaces.ts")).addWorkspacesCommand,
  grants: async () => (await import("./commands/grants.ts")).addGrantsCommand,
  limits: async () => (await import("./commands/limits.ts")).addLimitsCommand,
  usage: async () => (await import("./commands/usage.ts")).addUsageCommand,
  audit: async () => (await import("./commands/audit.ts")).addAuditCommand,
  engine: async () => (await import("./commands/engine.ts")).addEngineCommand,
  doctor: async () => (await import("./commands/doctor.ts")).addDoctorCommand,
  bench: async () => (await import("./commands/bench.ts")).addBenchCommand,
  eval: async () => (await import("./commands/eval.ts")).addEvalCommand,
};

const program = new Command("continuo")
  .description(
    "Self-hosted text continuation: fill-in-the-middle and Partial Mode over the OpenAI and DashScope wire formats.",
  )
  .version(VERSION)
  .showHelpAfterError("(use --help for usage)")
  .configureOutput({ writeErr: (text) => process.stderr.write(visible(text)) })
  .exitOverride();
for (const add of await wanted(process.argv[2])) add(program);
for (const command of program.commands) command.copyInheritedSettings(program);

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = report(error);
}

/** Prints what a person can act on, and the stack only of what is a bug of ours. Returns the exit code. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof CommandFailure) {
    say(`continuo: ${error.message}`);
    return error.exitCode;
  }
  if (error instanceof ConfigError) {
    say(`continuo: the configuration cannot be used\n${error.message}`);
    return EXIT.usage;
  }
  if (error instanceof ModelFailure || error instanceof AccountFailure) {
    say(`continuo: ${error.message}`);
    return EXIT[error.kind === "missing" ? "usage" : error.kind];
  }
  if (error instanceof ServiceError || error instanceof StoreFailure) {
    say(`continuo: ${error.message}`);
    return EXIT.failed;
  }
  if (error instanceof FolderFailure) {
    say(`continuo: ${error.message}; give this user the right to it, or choose another folder with --data-dir`);
    return EXIT.failed;
  }
  const { code } = error as { readonly code?: string };
  // Whoever read our output has gone (`| head`): nothing is left to do, and nothing went wrong.
  if (code === "EPIPE") return EXIT.ok;
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}

/** The command that is named, so that a server does not wait for what only a download needs; for any other word all of them. */
function wanted(name = ""): Promise<readonly ((program: Command) => void)[]> {
  const named = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  return Promise.all((named === undefined ? Object.values(COMMANDS) : [named]).map((load) => load()));
}
