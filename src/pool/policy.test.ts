import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hash, POLICIES, type PolicyName, type ReplicaView } from "./policy.ts";

interface Named extends ReplicaView {
  readonly name: string;
  readonly seenBlocks: number;
}

function replica(name: string, over: Partial<Named> = {}): Named {
  return { name, place: hash(name) | 0, share: 1, running: 0, seenBlocks: 0, ...over };
}

const THREE = ["a", "b", "c"].map((name) => replica(name));
const best = (policy: PolicyName, replicas: readonly Named[], { draw = 0, document = 0 } = {}): Named | undefined => {
  const seen = new Map(replicas.flatMap((each) => (each.seenBlocks > 0 ? [[each, each.seenBlocks]] : [])));
  return POLICIES[policy](replicas, { draw, document, seen });
};
const first: (...asked: Parameters<typeof best>) => string = (...asked) => best(...asked)?.name ?? "";
const draws = Array.from({ length: 3_000 }, (_, index) => index / 3_000);

function shareOf(name: string, names: readonly string[]): number {
  return names.filter((each) => each === name).length / names.length;
}

const replicas = fc.uniqueArray(
  fc
    .record({
      name: fc.string({ maxLength: 8 }),
      share: fc.double({ min: 0.01, max: 100, noNaN: true }),
      running: fc.nat(50),
      seenBlocks: fc.nat(64),
    })
    .map(({ name, ...over }) => replica(name, over)),
  { selector: ({ place }) => place, minLength: 1, maxLength: 12 },
);

test.each(Object.keys(POLICIES) as PolicyName[])("%s always names one, and the same for the same request", (policy) => {
  fc.assert(
    fc.property(replicas, fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(), (all, draw, document) => {
      const chosen = best(policy, all, { draw, document });

      expect(all).toContain(chosen);
      expect(best(policy, [...all].reverse(), { draw, document })).toBe(chosen);
    }),
  );
});

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
  const place = (all: readonly Named[]): string[] => documents.map((document) => first("sticky", all, { document }));

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

  test("takes the less busy of those that saw equally much", () => {
    const all = [replica("a", { seenBlocks: 5, running: 1 }), replica("b", { seenBlocks: 5 }), replica("c")];

    expect(first("prefix_affinity", all)).toBe("b");
  });

  test("spills over when that one has two requests more than its part, and a quarter", () => {
    const others = ["a", "c"].map((name) => replica(name, { running: 1 }));
    const busy = (running: number) => first("prefix_affinity", [...others, replica("b", { seenBlocks: 5, running })]);

    expect(busy(3)).toBe("b");
    expect(["a", "c"]).toContain(busy(8));
  });

  describe("where nobody saw it", () => {
    const documents = draws.map((_, index) => hash(`document ${index}`));
    const many = Array.from({ length: 20 }, (_, index) => replica(`r${index}`, { running: 1 }));

    test("takes one of two that are the same for the document, the less busy one", () => {
      for (const document of documents.slice(0, 200)) {
        const place = (all: readonly Named[]) => first("prefix_affinity", all, { document, draw: 0.5 });
        const idle = place(many);
        const other = place(many.map((each) => (each.name === idle ? { ...each, running: 2 } : each)));

        expect(other).not.toBe(idle);
        expect(place(many.map((each) => (each.name === other ? { ...each, running: 0 } : each)))).toBe(other);
      }
    });

    test("spreads documents evenly, and those of a replica that goes over all others", () => {
      const place = (all: readonly Named[]) =>
        documents.map((document) => first("prefix_affinity", all, { document, draw: 0.5 }));
      const [before, after] = [place(many), place(many.slice(1))];

      for (const { name } of many) expect(shareOf(name, before)).toBeCloseTo(1 / 20, 1);
      for (const [index, name] of before.entries()) if (name !== "r0") expect(after[index]).toBe(name);
      expect(new Set(after.filter((_, index) => before[index] === "r0")).size).toBe(19);
    });

    test("takes the least busy when both have more than their part", () => {
      const idle = replica("idle");
      for (const document of documents.slice(0, 200)) {
        const all = many.map((each) => ({ ...each, running: 1 }));
        const one = first("prefix_affinity", all, { document });
        const without = all.map((each) => (each.name === one ? { ...each, running: 9 } : each));
        const two = first("prefix_affinity", without, { document });
        const busy = without.map((each) => (each.name === two ? { ...each, running: 9 } : each));

        expect(first("prefix_affinity", [...busy, idle], { document })).toBe("idle");
      }
    });
  });

  test("does not spill less because another replica is warming up", () => {
    const others = Array.from({ length: 20 }, (_, index) => replica(`r${index}`, { running: 1 }));
    const warming = replica("warming", { share: 0.1 });
    const busy = (running: number) => replica("busy", { seenBlocks: 5, running });

    expect(first("prefix_affinity", [...others, warming, busy(3)])).toBe("busy");
    expect(first("prefix_affinity", [...others, warming, busy(8)])).not.toBe("busy");
  });

  test("no replica ever gets more than a quarter above the mean, and three", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 8 }), fc.array(fc.nat(7), { maxLength: 200 }), (count, documents) => {
        const running = Array.from({ length: count }, () => 0);
        const owner = new Map<number, string>();
        for (const document of documents) {
          const all = running.map((each, index) =>
            replica(String(index), { running: each, seenBlocks: owner.get(document) === String(index) ? 3 : 0 }),
          );
          const chosen = first("prefix_affinity", all, { draw: document / 8, document });
          owner.set(document, chosen);
          running[Number(chosen)] = (running[Number(chosen)] ?? 0) + 1;
          const total = running.reduce((sum, each) => sum + each, 0);
          expect(Math.max(...running)).toBeLessThanOrEqual(Math.ceil((1.25 * total) / count) + 2);
        }
      }),
    );
  });
});
