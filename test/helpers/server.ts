import { createInterface } from 'node:readline';
import { finished, start, type CliRun } from './cli.js';

export interface ServeProcess {
  readonly url: string;
  signal(name: NodeJS.Signals): void;
  /** What it said so far. */
  stderr(): string;
  /** Sends the signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<CliRun>;
}

/** Starts `plugferry serve` on a free port and waits until it is ready. */
export async function startServe(root: string, args: readonly string[] = []): Promise<ServeProcess> {
  const child = start(['serve', root, ...(args.includes('--port') ? [] : ['--port', '0']), ...args]);
  const end = finished(child);
  const url = await new Promise<string>((resolve, reject) => {
    if (child.stderr === null) throw new Error('no stderr');
    createInterface({ input: child.stderr }).on('line', (line) => {
      const found = /http:\/\/[^/ ]+/.exec(line)?.[0];
      if (found !== undefined) resolve(found);
    });
    void end.then(({ stderr }) => {
      reject(new Error(`serve ended: ${stderr}`));
    });
  });
  return {
    url,
    stderr: () => child.printed.stderr,
    signal: (name) => {
      child.kill(name);
    },
    stop: (signal = 'SIGTERM') => {
      child.kill(signal);
      return end;
    },
  };
}
