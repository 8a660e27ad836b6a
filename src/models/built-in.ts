/** The model that comes with the package: it answers at once, without a download and without a network. */
import { statSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** It is served by this name, which stands for its file wherever the name of a pulled model could. */
export const BUILT_IN_NAME = "continuo-135m";

/** Absolute path. `model/` lies beside `src/` and `dist/`, in a clone as in an installed package. */
export const BUILT_IN_FILE = fileURLToPath(new URL(`../../model/${BUILT_IN_NAME}.gguf`, import.meta.url));

/** Undefined in a package that was made without it. */
export function builtInModel(): { readonly file: string; readonly sizeBytes: number } | undefined {
  const found = statSync(BUILT_IN_FILE, { throwIfNoEntry: false });
  return found?.isFile() === true ? { file: BUILT_IN_FILE, sizeBytes: found.size } : undefined;
}
