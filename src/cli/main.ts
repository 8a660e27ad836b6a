#!/usr/bin/env node
import { Command, CommanderError } from "commander";
import { ConfigError } from "../config/error.ts";
import { ServiceError } from "../errors.ts";
import { ModelFailure } from "../models/failure.ts";
import { VERSION } from "../version.ts";
import { addBenchCommand } from "./commands/bench.ts";
import { addCompleteCommand } from "./commands/complete.ts";
import { addDoctorCommand } from "./commands/doctor.ts";
import { addEngineCommand } from "./commands/engine.ts";
import { addModelsCommand } from "./commands/models.ts";
import { addPullCommand } from "./commands/pull.ts";
import { addRmCommand } from "./commands/rm.ts";
import { addServeCommand } from "./commands/serve.ts";
import { CommandFailure, EXIT } from "./failure.ts";
import { say } from "./terminal.ts";

const program = new Command("continuo")
  .description(
    "Self-hosted text continuation: fill-in-the-middle and Partial Mode over the OpenAI and DashScope wire formats.",
  )
  .version(VERSION)
  .showHelpAfterError("(--help says what there is)")
  .exitOverride();
addServeCommand(program);
addCompleteCommand(program);
addPullCommand(program);
addModelsCommand(program);
addEngineCommand(program);
addDoctorCommand(program);
addBenchCommand(program);
addRmCommand(program);
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
  if (error instanceof ModelFailure) {
    say(`continuo: ${error.message}`);
    return EXIT[error.kind];
  }
  if (error instanceof ServiceError) {
    say(`continuo: ${error.message}`);
    return EXIT.failed;
  }
  const { code } = error as { readonly code?: string };
  // Whoever read our output has gone (`| head`): nothing is left to do, and nothing went wrong.
  if (code === "EPIPE") return EXIT.ok;
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT.failed;
}
