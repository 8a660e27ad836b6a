/** Which server a command talks to: one that runs, or one of its own for as long as the command takes. */
import { homedir } from "node:os";
import { loadConfig } from "../config/load.ts";
import { absolutePath } from "../config/settings.ts";
import { isSocketPath } from "../config/socket-path.ts";
import { processSurroundings } from "../config/surroundings.ts";
import type { RunningServer } from "../server.ts";
import { type ListedModel, type Service, servedModels } from "./client.ts";
import { CommandFailure, EXIT } from "./failure.ts";
import { whileShowing } from "./status-line.ts";
import { listenForStop } from "./stop-signals.ts";

export const DEFAULT_URL = "http://127.0.0.1:8100";

export interface ServiceChoice {
  /** A GGUF file to serve for the one command. */
  readonly modelFile: string | undefined;
  /** A server that runs; absent: `CONTINUO_URL`, else `DEFAULT_URL`. */
  readonly url: string | undefined;
}

/** Throws `CommandFailure` where both are given. */
export function assertOneService(modelFile: string | undefined, url: string | undefined): void {
  if (modelFile === undefined || url === undefined) return;
  throw new CommandFailure("choose one of --url and --model-file: a server, or none", EXIT.usage);
}

/** Runs `use` with the chosen server; a server of our own is closed afterwards, whatever happens. */
export async function withService(
  { modelFile, url }: ServiceChoice,
  signal: AbortSignal,
  use: (service: Service) => Promise<void>,
): Promise<void> {
  if (modelFile === undefined) await use(await serviceAt(url));
  else await withOwnServer(modelFile, signal, use);
}

/**
 * A signal to stop aborts what runs; the command then ends with the exit code of an interruption. A second one ends the
 * process at once.
 */
export async function untilInterrupted(use: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const abort = new AbortController();
  const signals = listenForStop();
  void signals.first.then(() => abort.abort(new CommandFailure("interrupted", EXIT.interrupted)));
  void signals.second.then(() => process.exit(EXIT.interrupted));
  try {
    await use(abort.signal);
  } finally {
    signals.release();
  }
}

/** The first model with weights of its own; where infill is needed, the first that can do it. */
export async function chooseModel(service: Service, needsInfill: boolean, signal: AbortSignal): Promise<ListedModel> {
  const served = await servedModels(service, signal);
  const chosen = served.find(({ continuo }) => !needsInfill || continuo?.capabilities.fim === true) ?? served[0];
  if (chosen !== undefined) return chosen;
  throw new CommandFailure(`the server at ${service.url} has no model; start it with \`continuo serve --model FILE\``);
}

async function serviceAt(url: string | undefined): Promise<Service> {
  const given = url ?? (process.env["CONTINUO_URL"] || DEFAULT_URL);
  const apiKey = process.env["CONTINUO_API_KEY"];
  const key = apiKey ? { apiKey } : {};
  const path = given.replace(UNIX, "");
  if (UNIX.test(given) || isSocketPath(given)) {
    const socketPath = absolutePath(path, process.cwd(), homedir());
    const { Agent } = await import("undici"); // only here, so that all others start sooner
    return { url: `unix:${socketPath}`, ...key, socket: new Agent({ connect: { socketPath } }) };
  }
  if (!URL.canParse(given)) {
    const message = `expected a URL such as ${DEFAULT_URL}, or unix:PATH of a socket, found "${given}"`;
    throw new CommandFailure(message, EXIT.usage);
  }
  return { url: given.replace(/\/+$/, "").replace(/\/v1$/, ""), ...key };
}

const UNIX = /^unix:(?:\/\/(?=\/))?/;

/** A server of our own on a free loopback port, for as long as `use` runs. The environment and the keys of a real server have no say in it. */
async function withOwnServer(
  file: string,
  signal: AbortSignal,
  use: (service: Service) => Promise<void>,
): Promise<void> {
  const { CONTINUO_DATA_DIR, XDG_DATA_HOME, LOCALAPPDATA } = process.env; // where pulled models are
  const config = loadConfig(
    { model: [file], port: "0", host: "127.0.0.1", logLevel: "silent" },
    { ...processSurroundings(), env: { CONTINUO_DATA_DIR, XDG_DATA_HOME, LOCALAPPDATA, CONTINUO_DATABASE: "memory" } },
  );
  const { createServer } = await import("../server.ts");
  const starting = createServer(config);
  let server: RunningServer | undefined;
  try {
    const ready = await whileShowing(
      () => `loading ${file}: ${server?.models()[0]?.health.detail ?? "starting"}`,
      async () => {
        server = await Promise.race([starting, rejectWhenAborted(signal)]);
        await Promise.race([server.ready(), rejectWhenAborted(signal)]);
        return server;
      },
    );
    await use({ url: ready.url });
  } finally {
    // One that comes up when nobody wants it any more is closed, too; the process ends with it.
    if (server !== undefined) await server.close();
    else void starting.then((late) => late.close()).catch(() => undefined);
  }
}

function rejectWhenAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
}
