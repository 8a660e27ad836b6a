export type { Config } from "./config/config.ts";
export { ConfigError } from "./config/error.ts";
export { loadConfig } from "./config/load.ts";
export { createServer, type RunningModel, type RunningServer } from "./server.ts";
