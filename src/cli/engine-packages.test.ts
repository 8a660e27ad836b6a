import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { temporaryFolder } from "../../test/support/files.ts";
import { ENGINE_VERSION, gpuPackage } from "../engines/llama/native/library-folder.ts";
import { folderBytes, installPackage, packageFor, removePackage, unpackedBytes } from "./engine-packages.ts";

/** Does to the folder what npm would do, and remembers what it was asked for. */
class Registry {
  readonly calls: string[][] = [];

  readonly npm = async (args: readonly string[]): Promise<string> => {
    this.calls.push([...args]);
    const root = join(args[args.indexOf("--prefix") + 1] ?? "", "node_modules", gpuPackage("vulkan") ?? "");
    if (args[0] === "view") return "84500000\n";
    if (args[0] === "uninstall") rmSync(root, { recursive: true });
    else {
      mkdirSync(join(root, "bins"), { recursive: true });
      writeFileSync(join(root, "package.json"), JSON.stringify({ version: ENGINE_VERSION }));
    }
    return "";
  };
}

function folder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return join(path, "engines");
}

// The packages exist for Linux and Windows on x64.
describe.runIf(gpuPackage("vulkan") !== undefined)("GPU libraries", () => {
  test("are installed in their exact version, without scripts, in a folder that is a package of its own", async () => {
    const [path, registry] = [folder(), new Registry()];

    const libraries = await installPackage("vulkan", path, registry.npm);

    expect(libraries.startsWith(path)).toBe(true);
    expect(JSON.parse(readFileSync(join(path, "package.json"), "utf8"))).toEqual({ private: true });
    expect(registry.calls[0]).toEqual(
      expect.arrayContaining(["install", "--prefix", path, "--ignore-scripts", packageFor("vulkan")]),
    );
  });

  test("are installed again over themselves, and the folder's manifest stays", async () => {
    const [path, registry] = [folder(), new Registry()];
    await installPackage("vulkan", path, registry.npm);
    writeFileSync(join(path, "package.json"), '{ "kept": true }');

    await installPackage("vulkan", path, registry.npm);

    expect(readFileSync(join(path, "package.json"), "utf8")).toContain("kept");
  });

  test("that npm did not install after all are an error", async () => {
    await expect(installPackage("vulkan", folder(), async () => "")).rejects.toThrow(/is not in .*; try again/);
  });

  test("are removed, and what is not there is told", async () => {
    const [path, registry] = [folder(), new Registry()];
    await installPackage("vulkan", path, registry.npm);

    expect(await removePackage("vulkan", path, registry.npm)).toBe(true);
    expect(await removePackage("vulkan", path, registry.npm)).toBe(false);
    expect(existsSync(join(path, "node_modules", gpuPackage("vulkan") ?? ""))).toBe(false);
  });

  test("have a size when the registry knows it", async () => {
    expect(await unpackedBytes("vulkan", new Registry().npm)).toBe(84_500_000);
    expect(await unpackedBytes("vulkan", async () => "\n")).toBeUndefined();
  });
});

test("the size of a folder is that of all files below it", async () => {
  const path = folder();
  mkdirSync(join(path, "a", "b"), { recursive: true });
  writeFileSync(join(path, "a", "one"), "x".repeat(10));
  writeFileSync(join(path, "a", "b", "two"), "x".repeat(7));

  expect(await folderBytes(path)).toBe(17);
});
