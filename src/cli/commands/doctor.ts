import type { Command } from "commander";
import type { Flags } from "../../config/settings.ts";
import type { Finding } from "../../doctor/finding.ts";
import { oneLine } from "../../visible.ts";
import { EXIT } from "../failure.ts";
import { Pace, whileShowing } from "../status-line.ts";
import { outputTo } from "../terminal.ts";

const EXAMPLES = `
Takes the flags and variables of \`continuo serve\`, and looks at what that would use.

Examples:
  $ continuo doctor
  $ continuo doctor --config continuo.yaml
  $ continuo doctor --model model.gguf --port 9000 --json

The exit code is 1 when there is a problem.`;

/** Adds `continuo doctor` to the program. */
export function addDoctorCommand(program: Command): void {
  program
    .command("doctor")
    .summary("check that a server can work on this machine")
    .description(
      "Checks platform, libraries, memory, port, data directory, configuration, models and engines elsewhere.",
    )
    .option("--model <file>", "GGUF file, or NAME=FILE; repeatable", (file, all: string[] = []) => [...all, file])
    .option(
      "--engine <kind>",
      "as for serve; KIND=URL is asked what it can do; repeatable",
      (kind, all: string[] = []) => [...all, kind],
    )
    .option("--config <file>", "YAML configuration")
    .option("--host <address>", "address to listen on")
    .option("--port <n>", "port to listen on")
    .option("--data-dir <dir>", "directory for the database and pulled models")
    .option("--slots <n>", "requests processed at the same time, for all models")
    .option("--context <n>", "context of one slot in tokens, for all models")
    .option("--json", "print JSON")
    .addHelpText("after", EXAMPLES)
    .action(doctor);
}

async function doctor({ json, ...flags }: Flags & { readonly json?: boolean }): Promise<void> {
  const { examine } = await import("../../doctor/doctor.ts");
  const pace = new Pace();
  const findings = await whileShowing(
    () => `looking at the machine, the libraries and the models, ${pace.text(0, 1)}`,
    () => examine(flags),
  );
  const output = outputTo(process.stdout);
  await output.write(json === true ? `${JSON.stringify({ findings }, null, 2)}\n` : report(findings));
  output.end();
  if (findings.some(({ state }) => state === "problem")) process.exitCode = EXIT.failed;
}

/** One line per finding, advice below it, and a sum. */
export function report(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  const lines = findings.flatMap(({ what, state, found, advice }) => {
    const start = `${state.padEnd("warning".length)}  ${what.padEnd(width)}  `;
    return [
      start + oneLine(found),
      ...(advice === undefined ? [] : [`${" ".repeat(start.length)}→ ${oneLine(advice)}`]),
    ];
  });
  return [...lines, "", sum(findings), ""].join("\n");
}

function sum(findings: readonly Finding[]): string {
  const count = (state: Finding["state"]): number => findings.filter((each) => each.state === state).length;
  const [problems, warnings] = [count("problem"), count("warning")];
  if (problems > 0) return `${counted(problems, "problem")}, ${counted(warnings, "warning")}.`;
  return warnings > 0 ? `It will work; ${counted(warnings, "warning")}.` : "Everything is as it should be.";
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? "" : "s"}`;
}
