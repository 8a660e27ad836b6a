/**
 * Cost as the context grows and as slots grow, of our server alone:
 *
 *     npm run build && npx tsx bench/scale.ts [MODEL.gguf] [--context 32768] [--slots 16] [--minutes 8] [--threads N] [--json]
 *
 * Prints two Markdown tables. When the minutes would be exceeded, the longest contexts are left out, and it says so.
 */
import { parseArgs } from "node:util";
import { defaultThreads } from "../src/engines/llama/native/cores.ts";
import { cachedBenchModel } from "./bench-model.ts";
import { positive } from "./compare-options.ts";
import { digits, markdownTable } from "./figures.ts";
import { firstOf, streams, warmUp } from "./measures.ts";
import { type Peer, startContinuo } from "./peers.ts";
import { ask, randomPrompt } from "./stream.ts";

interface ContextRow {
  readonly contextTokens: number;
  /** Of the tokens by which this context is longer than the one before, tokens per second. */
  readonly prefill: number;
  /** Behind so much context, tokens per second. */
  readonly decode: number;
  readonly residentMb: number;
}

interface SlotRow {
  readonly slots: number;
  /** All streams together, tokens per second. */
  readonly together: number;
  readonly residentMb: number;
}

const SHORTEST_TOKENS = 1_024;
const ANSWER_TOKENS = 24;
/** Per slot, in the second table. */
const SLOT_TOKENS = 1_024;
/** Of the time, kept for the second table. */
const SLOTS_SHARE = 0.25;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    context: { type: "string", default: "32768" },
    slots: { type: "string", default: "16" },
    minutes: { type: "string", default: "8" },
    threads: { type: "string" },
    json: { type: "boolean", default: false },
  },
});
const model = positionals[0] ?? cachedBenchModel();
const threads = values.threads === undefined ? defaultThreads() : positive(values.threads);
const [longest, mostSlots] = [positive(values.context), positive(values.slots)];
const contextDeadlineMs = performance.now() + Number(values.minutes) * 60_000 * (1 - SLOTS_SHARE);

const contexts = await withServer(1, longest, growContext);
const slots: SlotRow[] = [];
for (let count = 1; count <= mostSlots; count *= 2) {
  slots.push(
    await withServer(count, SLOT_TOKENS, async (peer) => {
      const together = await streams(peer, count);
      return { slots: count, together, residentMb: peer.residentBytes() / 2 ** 20 };
    }),
  );
}
process.stdout.write(values.json ? `${JSON.stringify({ contexts, slots }, null, 2)}\n` : tables());

/** One prompt that doubles: what was evaluated before is found again, so every length costs only what it adds. */
async function growContext(peer: Peer): Promise<readonly ContextRow[]> {
  const tokens = randomPrompt(longest);
  const rows: ContextRow[] = [];
  for (let length = SHORTEST_TOKENS; length <= longest; length *= 2) {
    const added = length - (rows.at(-1)?.contextTokens ?? ANSWER_TOKENS);
    const slowest = rows.at(-1)?.prefill ?? Number.POSITIVE_INFINITY;
    // The next stretch is slower than the last one; half as fast is more than the step costs.
    if (performance.now() + (2_000 * added) / slowest > contextDeadlineMs) break;
    const { tokenMs } = await ask(peer, { prompt: tokens.slice(0, length - ANSWER_TOKENS), maxTokens: ANSWER_TOKENS });
    const first = firstOf(tokenMs);
    rows.push({
      contextTokens: length,
      prefill: (1_000 * added) / first,
      decode: (1_000 * (tokenMs.length - 1)) / ((tokenMs.at(-1) ?? Number.NaN) - first),
      residentMb: peer.residentBytes() / 2 ** 20,
    });
    process.stderr.write(`context ${length}: prefill ${digits(rows.at(-1)?.prefill ?? Number.NaN)} tok/s\n`);
  }
  return rows;
}

async function withServer<T>(slots: number, contextTokens: number, use: (peer: Peer) => Promise<T>): Promise<T> {
  const peer = await startContinuo({ model, threads, slots, contextTokens });
  try {
    await warmUp(peer);
    return await use(peer);
  } finally {
    await peer.stop();
  }
}

function tables(): string {
  const columns = (titles: readonly string[]) => titles.map((title) => ({ title, isNumber: true }));
  const missing = (contexts.at(-1)?.contextTokens ?? 0) * 2 <= longest;
  const byContext = contexts.map(({ contextTokens, prefill, decode, residentMb }) => [
    ...[String(contextTokens), digits(prefill), digits(decode), digits(residentMb)],
  ]);
  const bySlots = slots.map(({ slots: count, together, residentMb }) => [
    ...[String(count), digits(together), digits(together / count), digits(residentMb)],
  ]);
  return [
    markdownTable(columns(["context, tokens", "prefill, tok/s", "decode, tok/s", "resident, MB"]), byContext),
    missing ? `Longer contexts would have taken more than ${values.minutes} minutes in all.\n` : "",
    "\n",
    markdownTable(columns(["streams", "together, tok/s", "each, tok/s", "resident, MB"]), bySlots),
  ].join("");
}
