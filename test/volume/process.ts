import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { arriving, type Arrival } from './scene.js';

export interface Errand {
  readonly verb: 'import' | 'rollback' | 'prune';
  readonly root: string;
  readonly arrival?: Arrival;
  readonly keep?: number;
  /** What the clock of the child says, in milliseconds since 1970. */
  readonly now?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The error of the child, as JSON. */
  readonly output: string;
}

const faults = pathToFileURL(join(import.meta.dirname, '../helpers/faults.mjs')).href;

/** Runs one change in a process of its own; `fault` is what `faults.mjs` reads. */
export function send(
  errand: Errand,
  fault?: { kill?: number; stop?: number },
): ChildProcess & { ended: Promise<Ended> } {
  const { verb, root, keep, now } = errand;
  const order = { verb, root, keep, now, ...(errand.arrival === undefined ? {} : cargo(errand.arrival)) };
  const child = spawn(
    process.execPath,
    ['--import', faults, join(import.meta.dirname, 'child.mjs'), JSON.stringify(order)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, PLUGFERRY_TEST_FAULT: JSON.stringify(fault ?? null) },
    },
  );
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const ended = new Promise<Ended>((resolve) => {
    child.on('close', (code, signal) => {
      resolve({ code, signal, output });
    });
  });
  return Object.assign(child, { ended });
}

function cargo(arrival: Arrival) {
  const { manifest, bundle, bytes, plugins } = arriving(arrival);
  const incoming = [...bytes.values()].map(({ path, content }) => ({
    path,
    content: content.toString(),
    ...plugins.flatMap(({ files }) => files).find(({ sha256 }) => bytes.get(sha256)?.path === path),
  }));
  const origin = { kind: 'import', mode: arrival.mode ?? 'merge', bundle, signers: [] };
  return { incoming, next: { manifest: manifest.toString(), plugins, origin } };
}
