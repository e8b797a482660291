import type { Release } from '../schema/release.js';
import type { HistoryEntry } from '../schema/state.js';
import { orIfMissing } from './disk.js';
import type { VolumeLayout } from './layout.js';

export type AuditAction = HistoryEntry['action'] | 'prune';

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
}

/** Most bytes of an audit log that is read as a whole: that of many years. */
const maxAudit = 64 * 1024 * 1024;
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
  files.appendLine(audit, lineOf(entry));

/** ASCII only: JSON escapes control characters, and this the bidirectional and other marks that a terminal would obey. */
function lineOf(entry: AuditEntry): string {
  const short = JSON.stringify(entry, (key, value: unknown) => {
    if (typeof value === 'string') return value.slice(0, maxText);
    return key === 'warnings' && Array.isArray(value) ? value.slice(0, maxWarnings) : value;
  });
  return short.replace(/[^\x20-\x7e]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** All lines that can be read, oldest first; a line that was cut short by a crash is left out. */
export async function readAudit({ files, audit }: VolumeLayout): Promise<AuditEntry[]> {
  const bytes = await orIfMissing(files.readFile(audit, maxAudit), Buffer.alloc(0));
  return bytes
    .toString('utf8')
    .split('\n')
    .flatMap((line) => parseLine(line) ?? []);
}

/**
 * The highest serial of the newest lines; 0 when there is none. Looks at the end of the file only. The very last line may be
 * that of a run which slept past its lease, and then it speaks of older things than the line before it.
 */
export async function lastAuditedSerial({ files, audit }: VolumeLayout): Promise<number> {
  const end = await orIfMissing(files.readEnd(audit, 128 * 1024), undefined);
  const lines = end?.toString('utf8').split('\n') ?? [];
  return Math.max(0, ...lines.map((line) => parseLine(line)?.serial ?? 0));
}

function parseLine(line: string): AuditEntry | undefined {
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
