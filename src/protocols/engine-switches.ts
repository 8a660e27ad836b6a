import type { ContinuationRequest } from "../continuation/request.ts";
import { type Fields, readBoolean } from "./parameters.ts";

/** Request fields that `readSwitches` reads. */
export const SWITCH_FIELDS = ["token_healing", "speculation", "gap_end"];

/** How the engine goes about it (docs/wire.md 1.2a, extensions). What the caller leaves open stays open. */
export function readSwitches(fields: Fields): Pick<ContinuationRequest, "tokenHealing" | "speculation" | "gapEnd"> {
  const tokenHealing = readBoolean(fields, "token_healing");
  const speculation = readBoolean(fields, "speculation");
  const gapEnd = readBoolean(fields, "gap_end");
  return {
    ...(gapEnd === undefined ? {} : { gapEnd }),
    ...(tokenHealing === undefined ? {} : { tokenHealing }),
    ...(speculation === undefined ? {} : { speculation }),
  };
}
