import { type DestinationStream, type Logger, pino } from "pino";
import { oneLine, visible } from "../visible.ts";
import type { RequestRecord } from "./request-record.ts";

export type Log = Logger;

export interface LogOptions {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";
  /** Default: standard output. */
  readonly destination?: DestinationStream;
  /** One readable line per entry instead of JSON; for terminals. Default false. */
  readonly readable?: boolean;
}

/** JSON lines. Nothing in the program logs prompts, completions or keys; redaction is the second lock on that door. */
export function createLog(options: LogOptions): Log {
  const destination = options.destination ?? process.stdout;
  return pino(
    {
      level: options.level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: ["authorization", "*.authorization", "*.headers", "apiKey", "*.apiKey"], censor: "[redacted]" },
    },
    options.readable === true ? readableLines(destination) : destination,
  );
}

/** One line per request: our failures as errors, refusals for lack of room as warnings, probes only with the details. */
export function logRequest(log: Log, record: RequestRecord, endedAtMs: number): void {
  const isProbe = record.protocol === undefined && record.outcome === "ok";
  const level = isProbe ? "debug" : levelOf(record.status);
  log[level](
    {
      requestId: record.requestId,
      traceId: record.traceId,
      method: record.method,
      path: withoutKeys(record.path),
      protocol: record.protocol,
      dialect: record.dialect,
      workspace: record.workspace,
      key: record.key,
      model: record.model === undefined ? undefined : withoutKeys(record.model),
      answeredBy: record.answeredBy,
      fallback: record.fallback,
      stream: record.stream,
      status: record.status,
      outcome: record.outcome,
      refused: record.refused,
      promptTokens: record.promptTokens,
      cachedPromptTokens: record.cachedPromptTokens,
      completionTokens: record.completionTokens,
      remembered: record.remembered,
      ttftMs: rounded(record.ttftMs),
      totalMs: rounded(endedAtMs - record.startedAtMs),
    },
    "request",
  );
}

/** Callers put keys into places that are not theirs. */
export function withoutKeys(text: string): string {
  return text.replaceAll(/sk-[0-9a-f]{32}/gi, "sk-…");
}

function levelOf(status: number): "info" | "warn" | "error" {
  if (status === 503) return "warn";
  return status >= 500 ? "error" : "info";
}

function rounded(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.round(ms);
}

function readableLines(destination: DestinationStream): DestinationStream {
  return {
    write: (line) => {
      destination.write(readableLine(line));
    },
  };
}

function readableLine(line: string): string {
  const { time, level, msg, err, ...rest } = JSON.parse(line) as Record<string, unknown>;
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${shown(value)}`);
  const trace = typeof err === "object" && err !== null && "stack" in err ? `\n${String(err.stack)}` : "";
  const text = [String(time).slice(11, 19), String(level).toUpperCase().padEnd(5), msg, ...fields].join(" ");
  return `${oneLine(text)}${visible(trace)}\n`;
}

function shown(value: unknown): string {
  return typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
}
