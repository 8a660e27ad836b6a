import { constants } from "node:fs";
import { access, statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { type Finding, inBytes, ok, problem, reasonOf, warning } from "./finding.ts";

/** Less holds no further model but the smallest. */
const USEFUL_BYTES = 2 * 2 ** 30;

/** Whether the folder, or the nearest one above it that exists, can be written to, and how much room is there. */
export async function examineDataFolder(path: string): Promise<Finding> {
  const existing = await nearestExisting(path);
  const named = existing === path ? path : `${path} (not there yet)`;
  try {
    await access(existing, constants.W_OK | constants.X_OK);
    const { bavail, bsize } = await statfs(existing);
    const free = bavail * bsize;
    const found = `${named}, ${inBytes(free)} free`;
    if (free >= USEFUL_BYTES) return ok("data folder", found);
    return warning(
      "data folder",
      found,
      "free some space, or choose another folder with --data-dir, before pulling a model",
    );
  } catch (error) {
    const advice = "give this user the right to write there, or choose another folder with --data-dir";
    return problem("data folder", `${named} cannot be written to (${reasonOf(error)})`, advice);
  }
}

async function nearestExisting(path: string): Promise<string> {
  for (let folder = path; ; folder = dirname(folder)) {
    const isThere = await access(folder).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code !== "ENOENT",
    );
    if (isThere || folder === dirname(folder)) return folder;
  }
}
