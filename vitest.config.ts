import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    pool: "forks",
    // Most of a test's time passes in engine processes and sockets; by default one core would stay free.
    maxWorkers: "100%",
    // For what hangs: a machine whose host is busy takes ten times as long as a quiet one.
    testTimeout: 90_000,
    hookTimeout: 120_000,
    include: ["src/**/*.test.ts", "test/**/*.test.ts"],
  },
});
