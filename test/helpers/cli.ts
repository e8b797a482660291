import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';

export const binary = join(import.meta.dirname, '../../bin/plugferry.js');

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  /** Node options before the script. */
  readonly node?: readonly string[];
}

export interface CliRun {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Only what a program needs: nothing of the developer's shell may decide a test. */
const cleanEnvironment = (): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  HOME: process.env['HOME'] ?? '/',
  TMPDIR: process.env['TMPDIR'] ?? '/tmp',
  TZ: 'Asia/Shanghai',
});

/** Starts the real binary. */
export function start(args: readonly string[], options: CliOptions = {}): ChildProcess {
  return spawn(process.execPath, [...(options.node ?? []), binary, ...args], {
    cwd: options.cwd,
    env: { ...cleanEnvironment(), ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

/** Runs the real binary to its end. */
export async function cli(args: readonly string[], options: CliOptions = {}): Promise<CliRun> {
  const child = start(args, options);
  child.stdin?.end(options.input ?? '');
  return finished(child);
}

/** What a started process printed, and how it ended. */
export async function finished(child: ChildProcess): Promise<CliRun> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      resolve({ code, signal, stdout, stderr });
    });
  });
}

/** The code of the error that a run with `--json` printed, or undefined when it succeeded. */
export const errorCode = ({ stdout }: CliRun): string | undefined =>
  (JSON.parse(stdout) as { error?: { code: string } }).error?.code;
