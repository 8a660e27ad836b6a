import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hash, POLICIES, type PolicyName, type ReplicaView } from "./policy.ts";

function replica(name: string, over: Partial<ReplicaView> = {}): ReplicaView {
  return { name, share: 1, running: 0, seenBlocks: 0, ...over };
}

const THREE = ["a", "b", "c"].map((name) => replica(name));
const first = (policy: PolicyName, replicas: readonly ReplicaView[], { draw = 0, document = 0 } = {}): string =>
  POLICIES[policy](replicas, { draw, document })[0]?.name ?? "";
const draws = Array.from({ length: 3_000 }, (_, index) => index / 3_000);

function shareOf(name: string, names: readonly string[]): number {
  return names.filter((each) => each === name).length / names.length;
}

const replicas = fc.uniqueArray(
  fc.record({
    name: fc.string({ maxLength: 8 }),
    share: fc.double({ min: 0.01, max: 100, noNaN: true }),
    running: fc.nat(50),
    seenBlocks: fc.nat(64),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 12 },
);

test.each(Object.keys(POLICIES) as PolicyName[])(
  "%s names every replica once, and the same for the same request",
  (policy) => {
    fc.assert(
      fc.property(replicas, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(), (all, draw, document) => {
        const order = POLICIES[policy](all, { draw, document });

        expect(new Set(order)).toEqual(new Set(all));
        expect(order.length).toBe(all.length);
        expect(POLICIES[policy]([...all].reverse(), { draw, document })).toEqual(order);
      }),
    );
  },
);

describe("least_loaded", () => {
  test("takes who has the fewest for its share", () => {
    const busy = [
      replica("a", { running: 3, share: 2 }),
      replica("b", { running: 2 }),
      replica("c", { running: 4, share: 3 }),
    ];

    expect(first("least_loaded", busy)).toBe("c");
  });

  test("spreads requests over those with the same load", () => {
    const chosen = draws.map((draw) => first("least_loaded", THREE, { draw }));

    for (const { name } of THREE) expect(shareOf(name, chosen)).toBeCloseTo(1 / 3, 1);
  });
});

test("weighted draws as the shares are", () => {
  const all = [replica("a"), replica("b", { share: 3 })];

  expect(
    shareOf(
      "b",
      draws.map((draw) => first("weighted", all, { draw })),
    ),
  ).toBeCloseTo(0.75, 1);
});

describe("sticky", () => {
  const documents = draws.map((_, index) => hash(`document ${index}`));
  const place = (all: readonly ReplicaView[]): string[] =>
    documents.map((document) => first("sticky", all, { document }));

  test("gives each replica its part, whatever else it has to do", () => {
    const chosen = place([replica("a", { running: 9 }), replica("b"), replica("c", { share: 2 })]);

    expect([shareOf("a", chosen), shareOf("c", chosen)]).toEqual([expect.closeTo(0.25, 1), expect.closeTo(0.5, 1)]);
  });

  test("moves the documents of a replica that goes, and no others", () => {
    const before = place(THREE);
    const after = place(THREE.filter(({ name }) => name !== "b"));

    for (const [index, name] of before.entries()) if (name !== "b") expect(after[index]).toBe(name);
    expect(
      shareOf(
        "a",
        after.filter((_, index) => before[index] === "b"),
      ),
    ).toBeCloseTo(0.5, 1);
  });
});

describe("prefix_affinity", () => {
  test("takes who saw most of the prompt", () => {
    const all = [
      replica("a", { seenBlocks: 2 }),
      replica("b", { seenBlocks: 5, running: 1 }),
      replica("c", { running: 1 }),
    ];

    expect(first("prefix_affinity", all)).toBe("b");
  });

  test("spills over to the least busy when that one has more than its part", () => {
    const all = [replica("a", { running: 1 }), replica("b", { seenBlocks: 5, running: 4 }), replica("c")];

    expect(first("prefix_affinity", all)).toBe("c");
  });

  test("is the least busy where nobody saw it", () => {
    expect(first("prefix_affinity", [replica("a", { running: 2 }), replica("b")])).toBe("b");
  });

  test("no replica ever gets more than a quarter above the mean, and one", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(7), { maxLength: 200 }), (count, documents) => {
        const running = Array.from({ length: count }, () => 0);
        const owner = new Map<number, string>();
        for (const document of documents) {
          const all = running.map((each, index) =>
            replica(String(index), { running: each, seenBlocks: owner.get(document) === String(index) ? 3 : 0 }),
          );
          const chosen = first("prefix_affinity", all, { draw: document / 8 });
          owner.set(document, chosen);
          running[Number(chosen)] = (running[Number(chosen)] ?? 0) + 1;
          const total = running.reduce((sum, each) => sum + each, 0);
          expect(Math.max(...running)).toBeLessThanOrEqual(Math.ceil((1.25 * total) / count));
        }
      }),
    );
  });
});
