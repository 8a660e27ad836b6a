export function isNodeTooOld(version: string): string | undefined;
export function isInstalled(root: string): boolean;
export function installIfNeeded(root: string): void;
export function sourcesOf(root: string): string;
export function buildIfNeeded(root: string): void;
export function whileLocked(root: string, work: () => void): Promise<void>;
