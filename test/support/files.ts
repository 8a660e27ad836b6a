/** Files that tests write and share. */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** An empty folder of this test's own, and how to remove it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), "continuo-test-"));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/**
 * A file that is expensive to write, kept between runs until the source that writes it changes.
 * Several processes may ask at once: each writes its own draft, the rename is atomic.
 *
 * @param sources the files whose text decides what is written
 */
export function cachedFile(name: string, sources: readonly URL[], write: (path: string) => void): string {
  const hash = createHash("sha256");
  for (const source of sources) hash.update(readFileSync(source));
  const folder = join(tmpdir(), "continuo-test-models");
  const path = join(folder, `${hash.digest("hex").slice(0, 16)}-${name}`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const draft = `${path}.${process.pid}`;
  write(draft);
  renameSync(draft, path);
  return path;
}
