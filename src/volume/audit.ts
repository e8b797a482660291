import type { Release } from '../schema/release.js';
import type { HistoryEntry } from '../schema/state.js';
import { asidePath, eachLine, loggedAside } from './audit-files.js';
import { orIfMissing } from './disk.js';
import type { VolumeLayout } from './layout.js';

/** `thin`: lines that changed nothing were taken out of the log, because it had become too long. */
export type AuditAction = HistoryEntry['action'] | 'prune' | 'thin';

/** One line of audit.jsonl. */
export interface AuditEntry {
  /** Of the change itself, as in the history; for anything that changed nothing, that of the change before it. */
  readonly serial: number;
  /** UTC, to the second. */
  readonly at: string;
  readonly action: AuditAction;
  /** `recovered`: the change was made, but its run ended before it could say so here. */
  readonly result: 'done' | 'unchanged' | 'refused' | 'recovered';
  readonly user?: string;
  readonly host?: string;
  readonly pid?: number;
  readonly tool?: string;
  /** For `recovered`, as the history has it: user@host. */
  readonly by?: string;
  readonly release?: string;
  readonly previous?: string;
  readonly manifestSha256?: string;
  readonly set?: string;
  readonly epoch?: number;
  readonly sequence?: number;
  /** Keys whose signatures verified. */
  readonly keyIds?: readonly string[];
  /** The signature check was skipped. */
  readonly unsigned?: boolean;
  readonly warnings?: readonly string[];
  /** Directories that others may write, and that the operator vouched for. */
  readonly safeDirectories?: readonly string[];
  /** Releases that a prune removed. */
  readonly removed?: readonly string[];
  /** Error code and message of a refusal. */
  readonly code?: string;
  readonly message?: string;
  /** How many lines a `thin` took out, and those before it, by their result; `unreadable` for what was no line. */
  readonly omitted?: Readonly<Record<string, number>>;
}

/** Bytes at the end of a log in which the newest lines are looked for. */
const endLength = 128 * 1024;
/** Longest text in a line, in characters; a hostile message must not bury the log. */
const maxText = 1024;
const maxWarnings = 20;

/** What a line says about the release that it made current. */
export function releaseFields({ id, origin }: Release): Partial<AuditEntry> {
  const { bundle, signers, unsigned, warnings } = origin;
  return {
    release: id,
    ...(bundle === undefined
      ? {}
      : {
          manifestSha256: bundle.manifestSha256,
          set: bundle.set,
          epoch: bundle.epoch,
          sequence: bundle.sequence,
        }),
    ...(signers === undefined ? {} : { keyIds: signers.map(({ keyId }) => keyId) }),
    ...(unsigned === true ? { unsigned } : {}),
    ...(warnings === undefined ? {} : { warnings }),
  };
}

/** Appends one line and makes it durable. */
export const appendAudit = ({ files, audit }: VolumeLayout, entry: AuditEntry): Promise<void> =>
  files.appendLine(audit, auditLine(entry));

/** ASCII only: JSON escapes control characters, and this the bidirectional and other marks that a terminal would obey. */
export function auditLine(entry: AuditEntry): string {
  const short = JSON.stringify(entry, (key, value: unknown) => {
    if (typeof value === 'string') return value.slice(0, maxText);
    return key === 'warnings' && Array.isArray(value) ? value.slice(0, maxWarnings) : value;
  });
  return short.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Lines that were looked for, and what to say of the log itself. */
export interface AuditExtract {
  /** Oldest first. */
  readonly entries: readonly AuditEntry[];
  readonly warnings: readonly string[];
}

/**
 * The lines that `wanted` picks, of all files of the log. Takes no lock: should a log be put aside meanwhile, it looks again. A line that
 * cannot be read is passed over, and told.
 */
export async function readAudit(
  layout: VolumeLayout,
  wanted: (entry: AuditEntry) => boolean,
): Promise<AuditExtract> {
  for (;;) {
    const before = await loggedAside(layout);
    const extract = await extractFrom(layout, before, wanted);
    const after = await loggedAside(layout);
    if (after.at(-1) === before.at(-1)) return extract;
  }
}

async function extractFrom(
  layout: VolumeLayout,
  aside: readonly number[],
  wanted: (entry: AuditEntry) => boolean,
): Promise<AuditExtract> {
  const entries: AuditEntry[] = [];
  const warnings: string[] = [];
  for (const path of [...aside.map((number) => asidePath(layout, number)), layout.audit]) {
    let unreadable = 0;
    const visit = (line: string | undefined): void => {
      const entry = line === undefined ? undefined : parseLine(line);
      if (entry !== undefined && wanted(entry)) entries.push(entry);
      if (entry === undefined && line !== '') unreadable += 1;
    };
    const isWhole = await orIfMissing(eachLine(layout, path, visit), true);
    const isCut = !isWhole && (await endOf(layout, path)).warning !== undefined;
    if (isCut) warnings.push(cutShort(path));
    if (isCut) unreadable -= 1;
    if (unreadable > 0) warnings.push(`${path}: passed over what cannot be read (${unreadable} lines)`);
  }
  return { entries, warnings };
}

/** What the newest lines of the log say. */
export interface AuditEnd {
  /** The highest serial among them; 0 when there is none. */
  readonly serial: number;
  /** What to say of the very last line. */
  readonly warning?: string;
}

/**
 * Looks at the end of the newest file only. The very last line may be that of a run which slept past its lease, and then it speaks of
 * older things than the line before it.
 */
export async function endOfAudit(layout: VolumeLayout): Promise<AuditEnd> {
  const newest = await endOf(layout, layout.audit);
  if (newest.serial > 0) return newest;
  // The log before it was put aside, and its run ended before it wrote a line.
  const last = (await loggedAside(layout)).at(-1);
  const before = last === undefined ? undefined : await endOf(layout, asidePath(layout, last));
  return { ...newest, serial: before?.serial ?? 0 };
}

async function endOf({ files }: VolumeLayout, path: string): Promise<AuditEnd> {
  const end = await orIfMissing(files.readEnd(path, endLength), undefined);
  const lines = end?.toString('utf8').split('\n') ?? [];
  const serial = Math.max(0, ...lines.map((line) => parseLine(line)?.serial ?? 0));
  const last = lines.at(-1) ?? '';
  return last === '' || parseLine(last) !== undefined ? { serial } : { serial, warning: cutShort(path) };
}

const cutShort = (path: string): string =>
  `${path}: its last line was cut short and is passed over; the next begins on a line of its own`;

/** Undefined for what is no line of ours. */
export function parseLine(line: string): AuditEntry | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const entry = value as AuditEntry;
  return Number.isSafeInteger(entry.serial) && typeof entry.action === 'string' ? entry : undefined;
}
