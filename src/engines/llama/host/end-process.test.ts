import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter, once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { endProcess, killProcess } from "./end-process.ts";

/** A process that says when its program runs. */
async function running(source: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ["-e", `${source}; process.send("runs")`], {
    stdio: ["ignore", "ignore", "ignore", "ipc"],
  });
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  await once(child, "message");
  return child;
}

test("a process that leaves by itself is not killed", async () => {
  const child = await running('process.on("disconnect", () => process.exit(3)); setInterval(() => {}, 1000)');

  await endProcess(child, 60_000);

  expect([child.exitCode, child.signalCode]).toEqual([3, null]);
});

test("one that stays is killed", async () => {
  const child = await running("setInterval(() => {}, 1000)");

  await endProcess(child, 1);

  expect(child.signalCode).toBe("SIGKILL");
});

test.skipIf(process.platform === "win32")("one that was stopped is killed too", async () => {
  const child = await running("setInterval(() => {}, 1000)");
  child.kill("SIGSTOP");

  await killProcess(child);

  expect(child.signalCode).toBe("SIGKILL");
});

/** A process in the hands of a driver: no signal ends it. */
class Immortal extends EventEmitter {
  readonly exitCode = null;
  readonly signalCode = null;
  readonly pid = 1;
  readonly connected = false;
  readonly signals: unknown[] = [];
  disconnect(): void {}
  kill(signal?: unknown): boolean {
    this.signals.push(signal);
    this.emit("error", new Error("kill EPERM"));
    return false;
  }
}

test("one that cannot be ended is waited for no longer, and its errors are no failure", async () => {
  const child = new Immortal();
  child.on("error", () => {}); // as every engine process has

  await endProcess(child, 1, 1);

  expect(child.signals).toEqual(["SIGKILL"]);
});

test("one that never began or is gone already needs nothing", async () => {
  const child = await running('process.on("disconnect", () => process.exit(0))');
  await endProcess(child);

  await endProcess(child);
  await killProcess(child);

  expect(child.exitCode).toBe(0);
});
