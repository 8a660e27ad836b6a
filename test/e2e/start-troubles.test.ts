/** A server that cannot start says why and ends, and one that starts can be stopped. */
import { once } from "node:events";
import { existsSync, symlinkSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../support/files.ts";
import { runProgram, startProgram } from "../support/program.ts";
import { smallDisk } from "../support/small-disk.ts";

function folder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

test.runIf(existsSync("/proc/self"))(
  "a data directory that cannot be made ends a command with path and cause",
  async () => {
    const file = join(folder(), "tiny.gguf");
    writeFileSync(file, "");

    for (const command of [
      ["serve", "--port", "0"],
      ["keys", "create"],
      ["pull", file],
    ]) {
      const { code, stderr } = await runProgram([...command, "--data-dir", "/proc/nope"]);

      expect([code, stderr], command.join(" ")).toEqual([
        1,
        expect.stringMatching(/^continuo: .*the folder \/proc\/nope cannot be made \(ENOENT.*\n$/),
      ]);
    }
  },
);

test("a link to nowhere is refused by serve and by doctor, with its target", async () => {
  const link = join(folder(), "data");
  symlinkSync("/nowhere/at/all", link);

  const [serve, doctor] = await Promise.all([
    runProgram(["serve", "--port", "0", "--data-dir", link]),
    runProgram(["doctor", "--port", "0", "--data-dir", link]),
  ]);

  const told = `${link} is a symbolic link to /nowhere/at/all, which does not exist`;
  expect([serve.code, serve.stderr]).toEqual([1, expect.stringContaining(told)]);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining(told)]);
});

test("a full disk ends a start with path and cause", async ({ skip }) => {
  const disk = smallDisk();
  if ("missing" in disk) return skip(disk.missing);
  onTestFinished(disk.remove);
  disk.fill();

  const [serve, doctor] = await Promise.all([
    runProgram(["serve", "--port", "0", "--data-dir", disk.path]),
    runProgram(["doctor", "--port", "0", "--data-dir", disk.path]),
  ]);

  expect([serve.code, serve.stderr]).toEqual([
    1,
    expect.stringContaining(`${disk.path}/continuo.db cannot be written: its disk is full`),
  ]);
  expect([doctor.code, doctor.stdout]).toEqual([1, expect.stringContaining("ENOSPC")]);
});

test("told to stop while its database does not answer, a server ends well", async () => {
  const silent = createServer(() => undefined);
  silent.listen(0, "127.0.0.1");
  onTestFinished(() => void silent.close());
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  const program = startProgram(["serve", "--port", "0", "--data-dir", folder()], {
    CONTINUO_DATABASE: `postgres://me:secret@127.0.0.1:${port}/continuo`,
  });

  await once(silent, "connection");
  program.child.kill("SIGTERM");

  expect(await program.exit).toBe(0);
  expect(program.stderr()).toBe("\nStopping (SIGTERM): the server was still starting.\n");
});
