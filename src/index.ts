export type { Config } from "./config/config.ts";
export { ConfigError } from "./config/error.ts";
export { loadConfig } from "./config/load.ts";
export type { RunningModel } from "./served-models.ts";
export { createServer, type RunningServer } from "./server.ts";
