/**
 * How often a real model finishes a word that its prefix cuts, with token healing and without: 200 cuts of a fixed text, half of
 * them raw prompts, half Partial Mode. Right is the rest of the very word, and then no letter. Fails below the bound that is printed.
 *
 *     npm run build && npx tsx test/clients/healing.ts
 */
import { pythonPackages } from "../support/python-packages.ts";
import { startServer } from "../support/server.ts";
import { expectThat, print, Tally } from "../support/tally.ts";

const PER_KIND = 100;
const LEAST_LETTERS = 6;
const SEED = 20_261_122;
/** Requests under way together: as many as the server has slots by default. */
const TOGETHER = 4;
/** With healing so many times as many right as without, or this share of all. */
const BOUND = { ratio: 1.5, share: 0.9 };

const TEXT = `The weather was beautiful yesterday morning, so my brother and I decided to visit the mountains. We packed
sandwiches, bottles of water and a camera, and started driving before seven o'clock. The journey through the valley took
almost three hours, because the narrow road follows the river and crosses several wooden bridges. When we finally arrived,
the temperature had already increased, and the sunlight was shining through the branches of the forest. A friendly farmer
explained which direction we should choose to reach the highest waterfall in the country. During the afternoon we discovered
a little restaurant behind the church, where children were playing football together. My brother ordered chicken with
vegetables, and I asked for strawberry pancakes. Afterwards we walked around the village, bought some chocolate and a
newspaper, and listened to a musician who played the guitar beautifully. In the evening dark clouds appeared and suddenly it
was raining, so everyone hurried back to the station. I remember thinking that a holiday does not have to be expensive to be
wonderful. Scientists believe that spending time in nature improves our health and makes people happier, and after such a
perfect weekend I completely agree with their important conclusion.`.replaceAll("\n", " ");

interface Cut {
  readonly prefix: string;
  /** The rest of the word. */
  readonly rest: string;
}

/** Numbers in [0, 1) from a fixed seed (a linear congruential generator, constants of Numerical Recipes). */
function* fixedRandom(): Generator<number, never> {
  for (let state = SEED; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield state / 2 ** 32;
  }
}

/** Places inside long words, not in the first sentence, where nothing could be known yet. */
function cuts(count: number): readonly Cut[] {
  const words = [...TEXT.matchAll(/[A-Za-z]+/g)].filter(
    ({ 0: word, index }) => word.length >= LEAST_LETTERS && index > TEXT.indexOf("."),
  );
  const random = fixedRandom();
  return Array.from({ length: count }, () => {
    const word = words[Math.floor(random.next().value * words.length)];
    if (word === undefined) throw new Error("the text has no long words");
    const at = 1 + Math.floor(random.next().value * (word[0].length - 1));
    return { prefix: TEXT.slice(0, word.index + at), rest: word[0].slice(at) };
  });
}

type Kind = "raw" | "chat";

async function isRight(url: string, kind: Kind, { prefix, rest }: Cut, healing: boolean): Promise<boolean> {
  const rules = { model: "smollm2", max_tokens: 8, temperature: 0, repetition_penalty: 1, token_healing: healing };
  const user = `Repeat this text word by word.\n\n${TEXT}`;
  const messages = [
    { role: "user", content: user },
    { role: "assistant", content: prefix, partial: true },
  ];
  const [path, body] =
    kind === "raw" ? ["/v1/completions", { prompt: prefix }] : ["/v1/chat/completions", { messages }];
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...rules, ...body }),
  });
  const text = await answer.text();
  if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${text}`);
  const [choice] = (JSON.parse(text) as { choices: { text?: string; message?: { content: string } }[] }).choices;
  const said = choice?.text ?? choice?.message?.content ?? "";
  return said.startsWith(rest) && !/^[A-Za-z]/.test(said.slice(rest.length));
}

async function countRight(url: string, kind: Kind, all: readonly Cut[], healing: boolean): Promise<number> {
  let right = 0;
  for (let start = 0; start < all.length; start += TOGETHER) {
    const batch = all.slice(start, start + TOGETHER);
    const results = await Promise.all(batch.map((cut) => isRight(url, kind, cut, healing)));
    right += results.filter(Boolean).length;
  }
  return right;
}

const tally = new Tally();
const server = await startServer({ models: [`smollm2=${pythonPackages().smolLm2}`] });
try {
  const all = cuts(2 * PER_KIND);
  const kinds = [
    ["raw", all.slice(0, PER_KIND)],
    ["chat", all.slice(PER_KIND)],
  ] as const;
  print("| prefix | cuts | words finished right, healing off | on |\n| --- | ---: | ---: | ---: |");
  let off = 0;
  let on = 0;
  for (const [kind, some] of kinds) {
    const [without, with_] = [
      await countRight(server.url, kind, some, false),
      await countRight(server.url, kind, some, true),
    ];
    print(`| ${kind} | ${some.length} | ${without} | ${with_} |`);
    off += without;
    on += with_;
  }
  print(`| both | ${all.length} | ${off} | ${on} |`);
  await tally.check(`healed: ${BOUND.ratio} times as many, or ${100 * BOUND.share} %`, async () => {
    expectThat(
      on >= BOUND.ratio * off || on >= BOUND.share * all.length,
      `${on} of ${all.length} with, ${off} without`,
    );
  });
} finally {
  await server.stop();
}
tally.finish();
