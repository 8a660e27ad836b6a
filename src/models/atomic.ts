/** Files that are there whole or not at all, also after a crash or a power cut. */
import { open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";

/** Behind the name of a file that is being replaced. */
export const DRAFT_SUFFIX = ".tmp";

/** Replaces `path`: readers see the old text or the new one. One writer at a time. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const draft = `${path}${DRAFT_SUFFIX}`;
  try {
    const file = await open(draft, "w");
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Makes renames in a folder last. Windows has no such call and does not need it. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === "win32") return;
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
