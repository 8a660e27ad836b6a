import { createServer } from "node:net";
import { type Finding, ok, problem, warning } from "./finding.ts";

export const ANSWER_WITHIN_MS = 2_000;

/** Whether a server could listen there; if somebody does already, who it is. */
export async function examinePort(host: string, port: number): Promise<Finding> {
  const where = `${host}:${port}`;
  if (port === 0) return ok("port", "0: any free one");
  const code = await whyNot(host, port);
  if (code === undefined) return ok("port", `${where} is free`);
  if (code === "EADDRINUSE") return listener(host, port);
  if (code === "EACCES") return problem("port", `this user may not listen on ${where}`, "choose a port from 1024 up");
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND")
    return problem("port", `this machine does not have the address ${host}`, "choose another with --host");
  return problem("port", `cannot listen on ${where} (${code})`, "choose another with --host and --port");
}

/** The system's error code; undefined: it works. */
function whyNot(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(undefined)));
  });
}

/** What `/health` says, as far as it matters here. */
export interface Health {
  readonly status?: unknown;
  readonly version?: unknown;
  readonly engines?: readonly { readonly name: string; readonly state: string; readonly detail: string | null }[];
}

async function listener(host: string, port: number): Promise<Finding> {
  const advice = "stop it, or choose another port with --port";
  return runningServer("port", `${host}:${port}`, await healthAt(host, port), advice);
}

/** Who listens there already. @param advice where it is none of ours. */
export function runningServer(what: string, where: string, health: Health | undefined, advice: string): Finding {
  if (health?.engines === undefined || typeof health.version !== "string") {
    return problem(what, `another program listens on ${where}`, advice);
  }
  const failed = health.engines.filter(({ state }) => state === "failed");
  const names = health.engines.map(({ name, state }) => `${name} ${state}`).join(", ") || "no model";
  const found = `Continuo ${health.version} is running on ${where} (${names})`;
  if (failed.length === 0) return ok(what, found);
  // To a server with keys the doctor shows none: it might be another one than it seems.
  const reasons = failed.map(
    ({ name, detail }) => `${name}: ${detail ?? "its log says why, and /health to an admin key"}`,
  );
  return warning(what, found, reasons.join("; "));
}

async function healthAt(host: string, port: number): Promise<Health | undefined> {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const name = reachable.includes(":") ? `[${reachable}]` : reachable;
  try {
    const response = await fetch(`http://${name}:${port}/health`, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    return (await response.json()) as Health;
  } catch {
    return undefined; // it speaks no HTTP, or nothing like ours
  }
}
