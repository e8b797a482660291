import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { expectNoSecret, secretsOf } from './secrets.js';

/** For tests that must start it in a way of their own: they hand all that it printed to `expectNoSecret`. */
export const binary = join(import.meta.dirname, '../../bin/plugferry.js');

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  /** Node options before the script. */
  readonly node?: readonly string[];
  /** Run on a terminal of so many columns; all that it shows is then in `stdout`, with `\r\n` line ends. */
  readonly columns?: number;
  /** User and group id to run as; the test must be root. */
  readonly user?: number;
}

export interface CliRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run of the binary, and all that it printed so far. */
export interface Started extends ChildProcess {
  readonly run: string;
  readonly printed: { stdout: string; stderr: string };
}

/** Only what a program needs: nothing of the developer's shell may decide a test. */
const cleanEnvironment = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '/',
  TMPDIR: process.env['TMPDIR'] ?? '/tmp',
  TZ: 'Asia/Shanghai',
});

const terminal = { TERM: 'xterm-256color' };
/** Progress is for what takes longer than a second: on a busy machine, lines of it would come where no test expects them. */
const withoutProgress = { PLUGFERRY_PROGRESS: 'none' };

/** By `script` of util-linux, which every Linux has. */
function onTerminal(words: readonly string[], columns: number): string[] {
  const quoted = words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  return ['script', '-qefc', `stty cols ${columns}; exec ${quoted}`, '/dev/null'];
}

/** Runs whose output nobody has asked for yet. */
const unasked = new Set<Started>();
afterAll(() => {
  for (const child of unasked) searched(child);
});

function searched({ run, printed }: Started): void {
  expectNoSecret(printed.stdout + printed.stderr, run);
}

/** Starts the real binary. All that it prints is searched for the secrets of the tests. */
export function start(args: readonly string[], options: CliOptions = {}): Started {
  secretsOf(options.env ?? {});
  const words = [process.execPath, ...(options.node ?? []), binary, ...args];
  const [program = '', ...rest] = options.columns === undefined ? words : onTerminal(words, options.columns);
  const child = spawn(program, rest, {
    cwd: options.cwd,
    env: {
      ...cleanEnvironment(),
      ...(options.columns === undefined ? withoutProgress : terminal),
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
    ...(options.user === undefined ? {} : { uid: options.user, gid: options.user }),
  });
  const printed = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name].setEncoding('utf8').on('data', (text: string) => (printed[name] += text));
  const started = Object.assign(child, { run: `plugferry ${args.join(' ')}`, printed });
  unasked.add(started);
  return started;
}

/** Runs the real binary to its end. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = start(args, options);
  child.stdin?.end(options.input ?? '');
  return finished(child);
}

/** What a started process printed, and how it ended. */
export async function finished(child: Started): Promise<CliRun> {
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (...end) => {
      resolve(end);
    });
  });
  unasked.delete(child);
  searched(child);
  return { code, signal, ...child.printed };
}

/** The code of the error that a run with `--json` printed, or undefined when it succeeded. */
export const errorCode = ({ stdout }: CliRun): string | undefined =>
  (JSON.parse(stdout) as { error?: { code: string } }).error?.code;
