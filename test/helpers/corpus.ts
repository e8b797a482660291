import { readdirSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import type { ManifestCheck, SealedBundle } from '../../src/bundle/bundle.js';
import { unpackTarGz } from '../../src/bundle/read-tar.js';
import { exitCodes } from '../../src/cli/exit-codes.js';
import { main } from '../../src/cli/main.js';
import { isPlugferryError, type ErrorCode } from '../../src/errors.js';
import { importBundle, type ImportResult } from '../../src/operations/import.js';
import { Discard } from '../../src/stream/drain.js';
import { checkSignatures } from '../../src/trust/check.js';
import { collectGarbage, measured } from './bounds.js';
import { bundleParts, put, tarGz } from './bundle.js';
import { testKey, type TestKey } from './keys.js';
import { expectNoSecret, secretsOf } from './secrets.js';
import { treeOf } from './temp.js';

/** What a case must end in, in the letters of the list of cases, and the codes that belong to each. */
export const codesOf = {
  C: ['E_CONTAINER'],
  G: ['E_GZIP'],
  S: ['E_UNSIGNED', 'E_SIGNER_UNKNOWN', 'E_SIGNATURE_INVALID'],
  M: ['E_MANIFEST', 'E_METADATA', 'E_WASM', 'E_FORMAT_VERSION'],
  D: ['E_DIGEST'],
  L: ['E_LIMIT'],
  OK: [],
} as const satisfies Record<string, readonly ErrorCode[]>;

export type CorpusClass = keyof typeof codesOf;

/** One row of the corpus of bundles that a receiver may be handed. */
export interface CorpusCase {
  /** As in the list of cases: T01, G06, ... Several rows may share one. */
  readonly id: string;
  readonly title: string;
  readonly expect: CorpusClass;
  /** The code, where it is not the first one of its class. */
  readonly code?: ErrorCode;
  /** Every way to build it; each is read. All but the hostile part is valid, and signed by `lab.key`. */
  readonly build: (lab: Lab) => readonly Buffer[];
}

/** Rows with the names under which their tests run. */
export const named = (rows: readonly CorpusCase[]): (readonly [name: string, row: CorpusCase])[] =>
  rows.map((row) => [`${row.id} ${row.title}`, row]);

/** A volume with a current release, something outside of it to damage, and a watch over both. */
export interface Lab {
  readonly key: TestKey;
  /** Directory around the volume, which no bundle may change. */
  readonly outside: string;
  readonly volume: string;
  /** Directory for bundle files. */
  readonly inbox: string;
}

/** Most bytes by which one bundle may grow the memory of the process that reads, imports or describes it. */
export const memoryBudget = 256 * 1024 * 1024;
/** Most seconds that this may take: of processor time, and on the clock, where that is no measure of our own speed. */
const timeBudget = { processor: 10, clock: 60 } as const;

interface Watch {
  readonly lab: Lab;
  readonly publicKey: string;
  readonly before: ReadonlyMap<string, string>;
  readonly audit: string;
  readonly openFiles: number;
  readonly unhandled: unknown[];
}

/** The record of refusals, the one file of a volume that grows when a bundle is refused. */
const auditFile = 'volume/.plugferry/audit.jsonl';

/** Opens a bundle file of the kind that a corpus is about. */
export type Unpack = (bytes: Buffer) => Promise<SealedBundle>;

/** A lab for the tests of one file. */
export class CorpusLab {
  #watch: Watch | undefined;
  readonly #unpack: Unpack;

  constructor(unpack: Unpack = (bytes) => unpackTarGz(Readable.from([bytes]))) {
    this.#unpack = unpack;
    const unhandled: unknown[] = [];
    const note = (reason: unknown): void => {
      unhandled.push(reason);
    };
    beforeAll(async () => {
      process.on('unhandledRejection', note).on('uncaughtException', note);
      this.#watch = await watch(unhandled);
    });
    afterAll(async () => {
      process.off('unhandledRejection', note).off('uncaughtException', note);
      const { outside, inbox } = this.lab;
      for (const path of [outside, inbox]) await rm(path, { recursive: true, force: true });
    });
  }

  get lab(): Lab {
    return this.#watching.lab;
  }

  get publicKey(): string {
    return this.#watching.publicKey;
  }

  get #watching(): Watch {
    if (this.#watch === undefined) throw new Error('the lab opens with the first test');
    return this.#watch;
  }

  /**
   * Every way to build the case is refused with its code. The first and the last way are also imported: that leaves
   * nothing behind but a line in the record. What is said about the last has nothing that could harm a terminal.
   */
  async expectRefused(row: CorpusCase): Promise<void> {
    const expected = codeOf(row);
    const variants = row.build(this.lab);
    expect(variants.length).toBeGreaterThan(0);
    collectGarbage();
    for (const [variant, bytes] of variants.entries()) {
      expect({ variant, found: await bounded(() => this.#readCode(bytes)) }).toEqual({
        variant,
        found: expected,
      });
      const last = variant === variants.length - 1;
      if (variant === 0 || last) await this.#expectImportRefused(bytes, expected);
      if (last) await this.#expectShownSafely(expected);
    }
  }

  async #expectImportRefused(bytes: Buffer, expected: ErrorCode): Promise<void> {
    const bundle = await put(this.lab.inbox, 'hostile.tar.gz', bytes);
    const options = { bundle, to: this.lab.volume, trust: this.#trust };
    expect(await bounded(() => codeFrom(importBundle(options)))).toBe(expected);
    await this.expectUntouched();
  }

  /** What the program says of the bundle that was refused last. */
  async #expectShownSafely(expected: ErrorCode): Promise<void> {
    const bundle = join(this.lab.inbox, 'hostile.tar.gz');
    const shown = await bounded(() => this.#shownBy(['verify', bundle, '--public-key', this.publicKey]));
    expect(shown).toEqual({ exit: exitCodes[expected], code: expected, raw: [] });
  }

  /** Every way to build the case is imported into a new volume, which is handed to `look` afterwards. */
  async expectAccepted(
    row: CorpusCase,
    look: (volume: string, result: ImportResult) => Promise<void>,
  ): Promise<void> {
    for (const [variant, bytes] of row.build(this.lab).entries()) {
      const bundle = await put(this.lab.inbox, `${row.id}-${variant}.tar.gz`, bytes);
      const volume = join(this.lab.inbox, 'volume');
      const options = { bundle, to: volume, trust: this.#trust };
      const result = await bounded(() => importBundle(options));
      await look(volume, result);
      expect(await readdir(join(volume, '.plugferry/staging'))).toEqual([]);
      await this.expectUntouched();
      await rm(bundle);
      await rm(volume, { recursive: true });
    }
  }

  /** The volume and everything around it are as they were; nothing waits, leaks or failed unseen. */
  async expectUntouched(): Promise<void> {
    const { lab, before, audit, openFiles, unhandled } = this.#watching;
    const after = await treeOf(lab.outside);
    const record = after.get(auditFile) ?? '';
    after.set(auditFile, audit);
    expect(after).toEqual(before);
    expect(record.startsWith(audit)).toBe(true);
    expect(notAscii(record)).toEqual([]);
    await turn();
    expect(unhandled).toEqual([]);
    // A file that is closed at the end of its stream is closed a little later.
    await vi.waitFor(() => {
      expect(openFileCount()).toBeLessThanOrEqual(openFiles);
    });
  }

  async #readCode(bytes: Buffer): Promise<string> {
    const check: ManifestCheck<unknown> = (manifest, signatures) =>
      checkSignatures(manifest, signatures, this.#keys);
    return codeFrom(this.#unpack(bytes).then((sealed) => readWhole(sealed, check)));
  }

  get #keys(): [TestKey['trusted']] {
    return [this.lab.key.trusted];
  }

  get #trust(): { publicKeys: [TestKey['trusted']] } {
    return { publicKeys: this.#keys };
  }

  /** Runs a command line of the program, as text and with `--json`, and looks at all that it prints. */
  async #shownBy(argv: readonly string[]): Promise<{ exit: number; code: string; raw: string[] }> {
    const plain = await printed(argv);
    const json = await printed([...argv, '--json']);
    expect(json.exit).toBe(plain.exit);
    // Nobody can fill a screen or a log with names.
    expect(plain.stderr.length + json.stdout.length).toBeLessThan(20_000);
    const { error } = JSON.parse(json.stdout) as { error?: { code: string } };
    return {
      exit: plain.exit,
      code: error?.code ?? 'none',
      raw: [...[plain.stdout, plain.stderr, json.stderr].flatMap(harmful), ...notAscii(json.stdout)],
    };
  }
}

export function codeOf({ id, expect: expected, code }: Omit<CorpusCase, 'build'>): ErrorCode {
  const codes: readonly ErrorCode[] = codesOf[expected];
  const chosen = code ?? codes[0];
  if (chosen === undefined || !codes.includes(chosen)) throw new Error(`${id}: no code of class ${expected}`);
  return chosen;
}

/** The characters of a text that are not printable ASCII, as code points. Line feeds are ours. */
const notAscii = (text: string): string[] => codePoints(text, /[^\n\x20-\x7e]/gu);

/** The characters that could do something to a terminal: controls, invisible ones, and marks that turn text round. */
const harmful = (text: string): string[] => codePoints(text, /(?!\n)[\p{C}\p{Zl}\p{Zp}]/gu);

const codePoints = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map(([character]) => `U+${(character.codePointAt(0) ?? 0).toString(16)}`);

async function watch(unhandled: unknown[]): Promise<Watch> {
  const key = await testKey();
  const outside = await mkdtemp(join(tmpdir(), 'plugferry-corpus-'));
  const inbox = await mkdtemp(join(tmpdir(), 'plugferry-corpus-inbox-'));
  const lab = { key, outside, volume: join(outside, 'volume'), inbox };
  await mkdir(join(outside, 'etc'));
  await writeFile(join(outside, 'canary'), 'sings');
  await writeFile(join(outside, 'etc/passwd'), 'root:x:0:0');
  const { pub } = await key.writeTo(inbox);
  const honest = bundleParts([key], [{ name: 'cors', version: '1.0.0' }], (manifest) => ({
    ...manifest,
    sequence: 1,
  }));
  const bundle = await put(inbox, 'first.tar.gz', tarGz(honest.entries));
  await importBundle({ bundle, to: lab.volume, trust: { publicKeys: [key.trusted] } });
  // Loads whatever the command line loads on its first use, so that no case has it on its account.
  await printed(['verify', bundle, '--public-key', pub]);
  return {
    lab,
    publicKey: pub,
    before: await treeOf(outside),
    audit: await readFile(join(outside, auditFile), 'latin1'),
    openFiles: openFileCount(),
    unhandled,
  };
}

/** Does what is done with one bundle, within the bounds of every case. */
async function bounded<T>(work: () => Promise<T>): Promise<T> {
  const deadline = new AbortController();
  const late = sleep(timeBudget.clock * 1000, undefined, { signal: deadline.signal, ref: false }).then(() => {
    throw new Error(`not done after ${timeBudget.clock} seconds`);
  });
  late.catch(() => undefined);
  const { result, taken } = await Promise.race([measured(work), late]);
  deadline.abort();
  expect(taken.memory).toBeLessThan(memoryBudget);
  expect(taken.processor).toBeLessThan(timeBudget.processor);
  return result;
}

async function codeFrom(work: Promise<unknown>): Promise<string> {
  try {
    await work;
    return 'accepted';
  } catch (error) {
    return isPlugferryError(error) ? error.code : String(error);
  }
}

/** Reads every byte of a bundle under a check, and keeps nothing. */
async function readWhole(sealed: SealedBundle, check: ManifestCheck<unknown>): Promise<void> {
  try {
    await sealed.open(check).payload((_file, body) => pipeline(body, new Discard()));
  } finally {
    await sealed.close();
  }
}

/** Where the system does not tell, zero. */
function openFileCount(): number {
  try {
    return readdirSync('/proc/self/fd').length;
  } catch {
    return 0;
  }
}

/** Runs the program in this process, catches what it prints, and searches that for the secrets of the tests. */
export async function printed(
  argv: readonly string[],
): Promise<{ exit: number; stdout: string; stderr: string }> {
  const listeners = process.stdout.listeners('error');
  secretsOf(process.env);
  const caught = { stdout: '', stderr: '' };
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      caught[name] += String(text);
      return true;
    }),
  );
  vi.stubEnv('NO_COLOR', '1').stubEnv('FORCE_COLOR', undefined);
  try {
    const exit = await main(argv);
    expectNoSecret(caught.stdout + caught.stderr, `plugferry ${argv.join(' ')}`);
    return { exit, ...caught };
  } finally {
    for (const spy of spies) spy.mockRestore();
    vi.unstubAllEnvs();
    for (const listener of process.stdout.listeners('error')) {
      if (!listeners.includes(listener)) process.stdout.off('error', listener as () => void);
    }
  }
}
