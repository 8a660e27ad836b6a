/** Why a server is asked to stop. */
export type StopReason = "SIGINT" | "SIGTERM" | "SIGHUP" | "the parent process is gone";

export interface StopSignals {
  /** Resolves with the first reason. */
  readonly first: Promise<StopReason>;
  /** Resolves with the second: somebody does not want to wait. */
  readonly second: Promise<StopReason>;
  /** Puts the signals back to their usual effect. */
  release(): void;
}

/** What of a process is needed here; tests hand in their own. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: string) => void): unknown;
  off(signal: NodeJS.Signals, listener: (signal: string) => void): unknown;
  readonly ppid: number;
  readonly env: Readonly<Record<string, string | undefined>>;
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/**
 * Under npm one Ctrl-C arrives twice: from the terminal, and again from npm, which passes on what it got itself.
 * Copies come within a few milliseconds; a second Ctrl-C by hand hardly comes within this time.
 */
const COPY_WITHIN_MS = 150;

/** How often to look whether npm is still there, ms. A killed npm tells its children nothing. */
const PARENT_CHECK_MS = 1000;

/** Listens from now on. Without npm the parent does not matter: servers may outlive the shell that started them. */
export function listenForStop(
  source: SignalSource = process,
  now: () => number = () => performance.now(),
): StopSignals {
  const isUnderNpm = source.env["npm_lifecycle_event"] !== undefined;
  const first = deferred<StopReason>();
  const second = deferred<StopReason>();
  let stoppedAtMs: number | undefined;

  const stop = (reason: StopReason): void => {
    if (stoppedAtMs === undefined) {
      stoppedAtMs = now();
      first.resolve(reason);
    } else if (!isUnderNpm || now() - stoppedAtMs > COPY_WITHIN_MS) {
      second.resolve(reason);
    }
  };
  const listeners = SIGNALS.map((signal) => [signal, () => stop(signal)] as const);
  for (const [signal, listener] of listeners) source.on(signal, listener);
  const parentGone = isUnderNpm ? watchParent(source, () => stop("the parent process is gone")) : () => {};

  return {
    first: first.promise,
    second: second.promise,
    release: () => {
      parentGone();
      for (const [signal, listener] of listeners) source.off(signal, listener);
    },
  };
}

function watchParent(source: SignalSource, gone: () => void): () => void {
  const parent = source.ppid;
  const timer = setInterval(() => {
    if (source.ppid === parent) return;
    clearInterval(timer);
    gone();
  }, PARENT_CHECK_MS);
  timer.unref();
  return () => clearInterval(timer);
}

function deferred<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
