import { formatTime } from '../release/time.js';
import { auditLine, parseLine, type AuditEntry } from './audit.js';
import { asidePath, eachLine, loggedAside } from './audit-files.js';
import { lstatIfThere, renameDurably } from './disk.js';
import type { VolumeLayout } from './layout.js';

/** A log of so many bytes is thinned or put aside before the next line: some ten thousand lines. */
const maxAudit = 8 * 1024 * 1024;

/** A log with more bytes than this about changes is put aside whole; every file so made costs that many changes. */
const maxChanges = maxAudit / 2;

/** Bytes of the newest lines that changed nothing, of those that stay. */
const maxOthers = maxAudit / 8;

export interface Rotation {
  /** Where the new log is written before it takes the place of the old one. */
  readonly draft: string;
  readonly now: Date;
  /** Called before a name changes. */
  readonly assertHeld: () => Promise<void>;
}

/**
 * Keeps the log small, under the lock of the volume. No line about a change is ever given up: a log that is full of them becomes
 * `audit.<n>.jsonl` by one rename, and stays. What anybody can cause without end (refusals, and imports of what is there
 * already) must not fill the disk: of those the newest stay, and the first line says how many there were before them.
 *
 * @throws an error of the file system; the log is then as it was.
 */
export async function rotateAudit(layout: VolumeLayout, rotation: Rotation): Promise<void> {
  const { files, audit } = layout;
  const size = (await lstatIfThere(files, audit))?.size ?? 0;
  if (size <= maxAudit) return;
  const thinned = new ThinnedLog();
  await eachLine(layout, audit, (line) => {
    thinned.take(line);
  });
  if (thinned.isFull) {
    const last = (await loggedAside(layout)).at(-1) ?? 0;
    await rotation.assertHeld();
    await renameDurably(files, audit, asidePath(layout, last + 1));
    return;
  }
  // An earlier try may have failed half-way.
  await files.removeAll(rotation.draft);
  await files.writeNew(rotation.draft, thinned.content(rotation.now));
  await rotation.assertHeld();
  await renameDurably(files, rotation.draft, audit);
}

interface Kept {
  /** Of the line in the log. */
  readonly index: number;
  readonly line: string;
  readonly result: string;
}

/** The lines of a log that stay in it. */
class ThinnedLog {
  #index = 0;
  #serial = 0;
  #changes: Kept[] = [];
  #changeBytes = 0;
  /** Oldest first; those before `#from` are given up. */
  #others: Kept[] = [];
  #from = 0;
  #otherBytes = 0;
  readonly #omitted = new Map<string, number>();

  /** Whether it has too many changes for a log. */
  get isFull(): boolean {
    return this.#changeBytes > maxChanges;
  }

  take(line: string | undefined): void {
    const entry = line === undefined ? undefined : parseLine(line);
    if (line === undefined || entry === undefined) {
      if (line !== '') this.#omit('unreadable', 1);
      return;
    }
    this.#serial = Math.max(this.#serial, entry.serial);
    if (entry.action === 'thin') {
      for (const [result, count] of Object.entries(entry.omitted ?? {})) this.#omit(result, count);
      return;
    }
    const kept = { index: this.#index++, line, result: entry.result };
    if (entry.result === 'refused' || entry.result === 'unchanged') this.#takeOther(kept);
    else this.#takeChange(kept);
  }

  *content(now: Date): Generator<Uint8Array> {
    const entry: AuditEntry = {
      serial: this.#serial,
      at: formatTime(now),
      action: 'thin',
      result: 'done',
      omitted: Object.fromEntries(this.#omitted),
    };
    yield Buffer.from(`${auditLine(entry)}\n`);
    const lines = [...this.#changes, ...this.#others.slice(this.#from)];
    for (const { line } of lines.toSorted((a, b) => a.index - b.index)) yield Buffer.from(`${line}\n`);
  }

  #takeChange(kept: Kept): void {
    this.#changeBytes += kept.line.length + 1;
    if (this.isFull) this.#changes = [];
    else this.#changes.push(kept);
  }

  #takeOther(kept: Kept): void {
    this.#otherBytes += kept.line.length + 1;
    this.#others.push(kept);
    while (this.#otherBytes > maxOthers && this.#from < this.#others.length) {
      const oldest = this.#others[this.#from++];
      if (oldest === undefined) break;
      this.#otherBytes -= oldest.line.length + 1;
      this.#omit(oldest.result, 1);
    }
    if (this.#from <= 4096) return;
    this.#others = this.#others.slice(this.#from);
    this.#from = 0;
  }

  #omit(result: string, count: number): void {
    if (Number.isSafeInteger(count)) this.#omitted.set(result, (this.#omitted.get(result) ?? 0) + count);
  }
}
