import { access, constants } from "node:fs/promises";
import { request } from "node:http";
import { dirname } from "node:path";
import { json } from "node:stream/consumers";
import { socketState } from "../http/unix-socket.ts";
import { type Finding, ok, problem, reasonOf } from "./finding.ts";
import { ANSWER_WITHIN_MS, type Health, runningServer } from "./port.ts";

/** Whether a server could listen on a Unix socket; if one does already, who it is. */
export async function examineSocket(path: string): Promise<Finding> {
  const elsewhere = "choose another path with --host";
  try {
    // The socket, and the lock beside it while a server starts.
    await access(dirname(path), constants.W_OK | constants.X_OK);
    const state = await socketState(path);
    if (state === "free") return ok("socket", `${path} is free`);
    if (state === "left_behind")
      return ok("socket", `${path} was left behind by a server that was killed; it goes at start`);
    if (state === "other_file")
      return problem("socket", `${path} is a file that is no socket`, `remove it, or ${elsewhere}`);
    return runningServer("socket", path, await healthAt(path), `stop it, or ${elsewhere}`);
  } catch (error) {
    return problem("socket", `cannot listen on ${path} (${reasonOf(error)})`, elsewhere);
  }
}

/** Undefined: it speaks no HTTP, or nothing like ours. */
async function healthAt(socketPath: string): Promise<Health | undefined> {
  const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
  return new Promise((resolve) => {
    const sent = request({ socketPath, path: "/health", signal }, (response) => {
      json(response).then(
        (health) => resolve(health as Health),
        () => resolve(undefined),
      );
    });
    sent.once("error", () => resolve(undefined)).end();
  });
}
