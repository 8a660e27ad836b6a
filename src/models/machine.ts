import { totalmem } from "node:os";

/** Memory that programs here may use, bytes: the machine's, or what a container was given of it. */
export function memoryBytes(): number {
  const all = totalmem();
  // 0 or an absurdly large number where there is no limit.
  const limit = process.constrainedMemory();
  return limit > 0 && limit < all ? limit : all;
}
