import { statfs } from "node:fs/promises";
import { dirname } from "node:path";
import { probeFolder } from "../folder.ts";
import { type Finding, inBytes, ok, problem, reasonOf, warning } from "./finding.ts";

/** Less holds no further model but the smallest. */
const USEFUL_BYTES = 2 * 2 ** 30;

/** Makes the folder and a file in it as a server does, removes them, and tells how much room is there. */
export async function examineDataFolder(path: string): Promise<Finding> {
  try {
    await probeFolder(path);
  } catch (error) {
    const advice = "give this user the right to it, free some space there, or choose another folder with --data-dir";
    return problem("data folder", reasonOf(error), advice);
  }
  const { existing, free } = await roomAt(path);
  const found = `${path}${existing === path ? "" : " (not there yet)"}, ${inBytes(free)} free`;
  if (free >= USEFUL_BYTES) return ok("data folder", found);
  return warning(
    "data folder",
    found,
    "free some space, or choose another folder with --data-dir, before pulling a model",
  );
}

/** Of the folder, or of the nearest one above it that exists. */
async function roomAt(path: string): Promise<{ readonly existing: string; readonly free: number }> {
  try {
    const { bavail, bsize } = await statfs(path);
    return { existing: path, free: bavail * bsize };
  } catch (error) {
    if (path === dirname(path)) throw error;
    return roomAt(dirname(path));
  }
}
