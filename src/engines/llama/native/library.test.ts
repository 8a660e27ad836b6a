import { describe, expect, test } from "vitest";
import { ServiceError } from "../../../errors.ts";
import type { StructLayout } from "./layout-3.21.1.ts";
import { type ExpectedLibraries, loadLibraries, PINNED_LIBRARIES } from "./library.ts";
import { libraryFolder } from "./library-folder.ts";

/** Bytes of each type on 64-bit platforms, which is also what it is aligned to. */
const SIZES: Readonly<Record<string, number>> = {
  "void *": 8,
  size_t: 8,
  int32: 4,
  uint32: 4,
  float: 4,
  bool: 1,
};

const STRUCTS = ["modelParams", "contextParams", "batch", "threadpoolParams"] as const;

function changed(name: (typeof STRUCTS)[number], change: Partial<StructLayout>): ExpectedLibraries {
  return { ...PINNED_LIBRARIES, [name]: { ...PINNED_LIBRARIES[name], ...change } };
}

function refusal(expected: ExpectedLibraries): string {
  try {
    loadLibraries(undefined, expected);
  } catch (error) {
    expect(error).toBeInstanceOf(ServiceError);
    expect(error).toMatchObject({ code: "model_unavailable" });
    return String(error);
  }
  return "it was loaded";
}

describe("the layout table", () => {
  test.each(STRUCTS)("of %s is laid out as a C compiler lays it out", (name) => {
    const { fields, size } = PINNED_LIBRARIES[name];
    let end = 0;
    for (const [field, [type, offset]] of Object.entries(fields)) {
      const [bytes, alignment] = type === "cpumask" ? [512, 1] : [SIZES[type] ?? 0, SIZES[type] ?? 0];
      expect(bytes, `${field} is a ${type}`).toBeGreaterThan(0);
      expect(offset, field).toBe(Math.ceil(end / alignment) * alignment);
      end = offset + bytes;
    }
    const largest = Math.max(...Object.values(fields).map(([type]) => SIZES[type] ?? 1));
    expect(size).toBe(Math.ceil(end / largest) * largest);
  });

  test("names defaults of fields that it has", () => {
    for (const name of STRUCTS) {
      const { fields, defaults } = PINNED_LIBRARIES[name];
      for (const field of Object.keys(defaults)) expect(Object.keys(fields)).toContain(field);
    }
  });
});

describe("libraries that are not what the table describes are refused", () => {
  test("another package version, naming both", () => {
    expect(() => libraryFolder("3.22.0")).toThrow(/found 3\.21\.1, expected 3\.22\.0; reinstall/);
  });

  test("another version of llama.cpp inside the package", () => {
    expect(refusal({ ...PINNED_LIBRARIES, llamaVersion: "9.9.9" })).toMatch(
      /llama\.cpp: found 0\.4\.0.*expected 9\.9\.9/,
    );
  });

  test("a struct of another size", () => {
    expect(refusal(changed("contextParams", { size: 168 }))).toMatch(
      /llama_context_params: found 160 bytes, expected 168 bytes/,
    );
  });

  test("a field at another place", () => {
    const { fields } = PINNED_LIBRARIES.batch;

    expect(refusal(changed("batch", { fields: { ...fields, pos: ["void *", 32] } }))).toMatch(
      /llama_batch\.pos: found offset 24, expected offset 32/,
    );
  });

  test("fields that stand where others should, which only their defaults show", () => {
    const { n_batch, n_ubatch, ...rest } = PINNED_LIBRARIES.contextParams.fields;
    const swapped = Object.fromEntries(
      Object.entries(PINNED_LIBRARIES.contextParams.fields).map(([field, value]) => [
        field === "n_batch" ? "n_ubatch" : field === "n_ubatch" ? "n_batch" : field,
        value,
      ]),
    );
    expect([n_batch, n_ubatch].every((each) => each !== undefined) && "n_ctx" in rest).toBe(true);

    expect(refusal(changed("contextParams", { fields: swapped }))).toMatch(
      /default of llama_context_params\.n_batch: found 512, expected 2048/,
    );
  });

  test("other defaults of model and thread pool", () => {
    expect(refusal(changed("modelParams", { defaults: { n_gpu_layers: 99 } }))).toMatch(/n_gpu_layers: found -1/);
    expect(refusal(changed("threadpoolParams", { defaults: { poll: 0 } }))).toMatch(/poll: found 50/);
  });
});

test("the installed libraries are what the table describes", () => {
  const libraries = loadLibraries();

  expect(libraries.cpuVariant).toMatch(/ggml-cpu/);
  expect(libraries.devices.map(({ kind }) => kind)).toContain("cpu");
  expect(Object.keys(libraries.types).sort()).toEqual([...STRUCTS].sort());
});
