import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { temporaryFolder } from "./files.ts";
import { startTinyServer, type TinyServer } from "./tiny-server.ts";

const PROGRAM = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** A server with the model `tiny`, and the commands that administer it. */
export interface AdministeredServer extends TinyServer {
  /** Where its database is. */
  readonly dataDir: string;
  /** Runs the program beside the server and gives its output. Rejects when it fails; the error has `code` and `stderr`. */
  continuo(...args: string[]): Promise<string>;
}

export async function startAdministeredServer(): Promise<AdministeredServer> {
  const { path, remove } = temporaryFolder();
  const env = { CONTINUO_DATA_DIR: path, CONTINUO_DATABASE: "" };
  const server = await startTinyServer({ tiny: {} }, { env });
  return {
    ...server,
    dataDir: path,
    continuo: async (...args) => {
      const options = { env: { ...process.env, ...env } };
      return (await promisify(execFile)(process.execPath, [PROGRAM, ...args], options)).stdout;
    },
    stop: () => server.stop().finally(remove),
  };
}
