import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Blame, type Death, type Suspect } from "./blame.ts";

const CRASH: Death = { how: "exit code 139", cause: "crash" };
const HANG: Death = { how: "no progress", cause: "hang" };
const KILL: Death = { how: "SIGKILL", cause: "kill" };

const request = (id: number, fingerprint = `request ${id}`): Suspect => ({ id, fingerprint: () => fingerprint });
const A = request(1);
const B = request(2);
const C = request(3);

function blame() {
  let now = 0;
  const court = new Blame(() => now);
  /** Who may run in the next process. */
  const admitted = (...suspects: readonly Suspect[]): readonly Suspect[] =>
    suspects.filter((each) => court.admits(each));
  const pass = (ms: number): void => {
    now += ms;
  };
  return { court, admitted, pass };
}

describe("after a crash", () => {
  test("requests are hashed for ten minutes, and no longer", () => {
    const { court, pass } = blame();
    court.died(CRASH, [A], false);
    let hashes = 0;
    const other: Suspect = { id: 4, fingerprint: () => `hash ${++hashes}` };

    pass(599_999);
    court.assertInnocent(other);
    expect(hashes).toBe(1);
    pass(1);
    court.assertInnocent(other);
    expect(hashes).toBe(1);
  });

  test("those that were at work run alone, one after the other, until each has got further", () => {
    const { court, admitted } = blame();
    expect(court.died(CRASH, [A, B], false)).toEqual([]);

    court.processStarted();
    expect(admitted(A, B, C)).toEqual([A]);
    court.progressed(A, 1);
    court.stepped();
    expect(admitted(A, B, C)).toEqual([B]);
    court.progressed(B, 1);
    court.stepped();
    expect(admitted(A, B, C)).toEqual([A, B, C]);
  });

  test("a suspect that ends or leaves makes place for the next", () => {
    const { court, admitted } = blame();
    court.died(CRASH, [A, B], false);
    court.processStarted();
    court.ended(B);
    court.ended(A);

    expect(admitted(C)).toEqual([C]);
  });

  test("a suspect with a long prompt keeps the others out for five seconds only", () => {
    const { court, admitted, pass } = blame();
    court.died(CRASH, [A], false);
    court.processStarted();
    pass(4_999);
    court.stepped();
    expect(admitted(A, C)).toEqual([A]);

    pass(1);
    court.stepped();

    expect(admitted(A, C)).toEqual([A, C]);
  });

  test("the one that is at work in two, the last time alone, is refused and why", () => {
    const { court, admitted } = blame();
    court.died(CRASH, [A, B], false);
    court.processStarted();
    const convicted = court.died(HANG, [A], true);
    court.processStarted();

    expect(convicted).toMatchObject([
      { guilty: A, error: { code: "unsupported_input", message: expect.stringMatching(/crashed or hung 2 times/) } },
    ]);
    expect(admitted(B, C)).toEqual([B]);
  });

  test("nobody is suspected when nobody was at work", () => {
    const { court, admitted } = blame();
    court.died(CRASH, [], false);
    court.processStarted();

    expect(admitted(A, B)).toEqual([A, B]);
  });
});

test("two deaths among others convict nobody", () => {
  const { court } = blame();
  for (let count = 0; count < 20; count += 1) {
    expect(court.died(CRASH, [A, B], false)).toEqual([]);
    court.processStarted();
  }
});

test("a request that dies a little later each time is tried for longer, until it dies alone", () => {
  const { court, admitted } = blame();
  court.died(HANG, [A, B], false);
  court.processStarted();
  court.progressed(A, 1);
  court.stepped();
  court.progressed(B, 1);
  court.stepped();
  court.died(HANG, [A, B], false);
  court.processStarted();
  court.progressed(A, 7);
  court.stepped();

  expect(admitted(A, B)).toEqual([A]);
  expect(court.died(HANG, [A], true)).toMatchObject([{ guilty: A }]);
});

describe("kills from outside", () => {
  test("put nobody on trial before the fifth in a row", () => {
    const { court, admitted } = blame();
    for (let count = 1; count < 5; count += 1) court.died(KILL, [A, B], false);
    court.processStarted();
    expect(admitted(A, B)).toEqual([A, B]);

    court.died(KILL, [A, B], false);
    court.processStarted();

    expect(admitted(A, B)).toEqual([A]);
  });

  test("are forgiven to a request that gets further in between", () => {
    const { court } = blame();
    for (let count = 0; count < 50; count += 1) {
      expect(court.died(KILL, [A], true)).toEqual([]);
      court.processStarted();
      court.progressed(A, 1);
    }
  });

  test("end a request that ten of them hit alone and in a row: it may eat up the memory", () => {
    const { court } = blame();
    for (let count = 1; count < 10; count += 1) expect(court.died(KILL, [A], true)).toEqual([]);

    expect(court.died(KILL, [A], true)).toMatchObject([{ guilty: A }]);
  });
});

describe("a request that asks the same as a guilty one", () => {
  function convicted() {
    const { court, pass } = blame();
    court.died(CRASH, [A], true);
    court.died(CRASH, [A], true);
    court.ended(A);
    return { court, pass };
  }

  test("is refused without being tried", () => {
    expect(() => convicted().court.assertInnocent(request(9, "request 1"))).toThrow(/send it again in 10 minutes/);
  });

  test("is tried again after ten minutes, and others are at once", () => {
    const { court, pass } = convicted();
    court.assertInnocent(request(9, "request 9"));
    pass(600_000);

    court.assertInnocent(request(10, "request 1"));
  });

  test("inherits what the other one did before its client left", () => {
    const { court } = blame();
    court.died(HANG, [A, B], false);
    court.processStarted();
    court.ended(A);

    expect(court.died(HANG, [request(9, "request 1")], true)).toHaveLength(1);
  });
});

test("whoever kills every process it is in is found, however many run beside it, and nobody else is", () => {
  const scene = fc.record({
    others: fc.integer({ min: 0, max: 6 }),
    guilty: fc.nat(6),
    after: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(scene, ({ others, guilty, after }) => {
      const { court, admitted } = blame();
      let open = Array.from({ length: others + 1 }, (_, index) => request(index));
      const culprit = open[guilty % open.length];
      for (let process = 0; process < 12; process += 1) {
        court.processStarted();
        // Every step brings a token to whoever is admitted; the culprit ends the process after some of its own.
        for (let step = 0, own = 0; step < 100; step += 1) {
          const running = admitted(...open);
          if (culprit !== undefined && running.includes(culprit) && own++ >= after) {
            const convicted = court.died(CRASH, running, running.length === 1).map(({ guilty: each }) => each);
            expect(convicted.every((each) => each === culprit)).toBe(true);
            open = open.filter((each) => !convicted.includes(each));
            break;
          }
          for (const each of running) court.progressed(each, 1);
          court.stepped();
        }
      }
      expect(open).toHaveLength(others);
      expect(open).not.toContain(culprit);
    }),
  );
});
