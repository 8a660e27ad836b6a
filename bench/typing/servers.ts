/** Servers that differ in the section `typing` of their configuration. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type RunningServer, startServer } from "../../test/support/server.ts";

/** @param folder of the configuration. @param typing lines of the section. */
export function startTyping(
  { model, threads, folder }: { readonly model: string; readonly threads: number; readonly folder: string },
  name: string,
  typing: Readonly<Record<string, boolean>>,
): Promise<RunningServer> {
  const config = join(folder, `${name}.yaml`);
  const lines = Object.entries(typing).map(([key, value]) => `  ${key}: ${value}`);
  writeFileSync(config, ["typing:", ...lines, ""].join("\n"));
  const args = ["--config", config, "--threads", String(threads), "--context", "2048", "--slots", "2"];
  return startServer({ models: [`bench=${model}`], args });
}
