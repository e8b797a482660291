import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { Pace } from '../../src/cli/output/transfer-rate.js';
import { followSteps } from '../../src/cli/output/progress.js';
import { barText, formatSeconds } from '../../src/cli/output/progress-text.js';
import type { ProgressEvent } from '../../src/index.js';
import { cli, finished, start } from '../helpers/cli.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { serving, startWeb, type Web } from '../helpers/web.js';
import { tinyModule } from '../helpers/wasm.js';

const schema = JSON.parse(
  await readFile(join(import.meta.dirname, '../../schemas/progress.schema.json'), 'utf8'),
) as object;
const isEvent = new Ajv2020({ strict: true }).compile<ProgressEvent>(schema);

/** The lines of stderr under `--progress json`, each checked. */
function eventsOf(stderr: string): ProgressEvent[] {
  return stderr
    .trimEnd()
    .split('\n')
    .map((line) => {
      const event: unknown = JSON.parse(line);
      if (!isEvent(event)) throw new Error(`${line}: ${JSON.stringify(isEvent.errors)}`);
      return event;
    });
}

/** A plugin server that takes its time for one module. */
async function slowServer(seconds: number): Promise<Web> {
  const module = tinyModule('slow', 64 * 1024);
  const piece = Math.ceil(module.length / (seconds * 10));
  return startWeb(
    serving({
      '/plugins/': '<a href="waf/">waf/</a>',
      '/plugins/waf/': '<a href="1.0.0/">1.0.0/</a>',
      '/plugins/waf/1.0.0/': '<a href="plugin.wasm">plugin.wasm</a>',
      '/plugins/waf/1.0.0/plugin.wasm': (_request, response) => {
        response.writeHead(200, { 'content-type': 'application/wasm', 'content-length': module.length });
        let sent = 0;
        const timer = setInterval(() => {
          response.write(module.subarray(sent, sent + piece));
          sent += piece;
          if (sent < module.length) return;
          clearInterval(timer);
          response.end();
        }, 100);
      },
    }),
  );
}

const escape = '\u001b';
const exportFrom = (url: string): string[] => ['export', `${url}/plugins/`, '-o', 'x.tar.gz'];

describe('--progress', () => {
  test('json: every line on stderr is an event; stdout is one document', async () => {
    const directory = await tempDir();
    await tinyTree(directory, { 'waf@1.0.0': 'a', 'key-auth@1.0.0': 'b' });
    const run = (args: string[]) => cli([...args, '--progress', 'json'], { cwd: directory });
    const exported = await run(['export', '.', '-o', 'x.tar.gz', '--json']);
    const { size, sha256 } = JSON.parse(exported.stdout) as { size: number; sha256: string };
    const events = eventsOf(exported.stderr);
    expect(new Set(events.map(({ type }) => type))).toEqual(
      new Set(['progress', 'note', 'warning', 'summary']),
    );
    expect(events.at(-1)).toMatchObject({
      type: 'summary',
      what: 'exported x.tar.gz',
      size,
      digest: `sha256:${sha256}`,
    });
    for (const step of ['read', 'pack']) {
      const of = events.filter((event) => event.type === 'progress' && event.step === step);
      expect(of[0]).toMatchObject({ done: 0 });
      expect(of.at(-1)).toMatchObject({ over: true });
    }
    const verified = await run(['verify', 'x.tar.gz', '--insecure-skip-signature', '--json']);
    expect(JSON.parse(verified.stdout)).toMatchObject({ verified: false });
    expect(eventsOf(verified.stderr)).toContainEqual(
      expect.objectContaining({ type: 'progress', step: 'verify', over: true }),
    );
  });

  test.each([
    ['an error', ['verify', 'none.tar.gz', '--public-key', 'none.pub'], 'E_NOT_FOUND'],
    ['a command line that is none', ['verify', '--colour'], 'E_USAGE'],
  ])('json: %s is an event, too', async (_what, args, code) => {
    for (const way of [['--progress', 'json'], ['--progress=json']]) {
      const run = await cli([...args, ...way]);
      expect(eventsOf(run.stderr)).toEqual([
        expect.objectContaining({ type: 'error', code, exit: run.code }),
      ]);
      expect(run.stdout).toBe('');
    }
  });

  test('json: names with line feeds and control bytes make no lines of their own', async () => {
    const run = await cli(['verify', 'evil\u001b[2J\n{"type":"summary"}', '--progress', 'json'], {});
    expect(eventsOf(run.stderr)).toHaveLength(1);
    expect(run.stderr).not.toContain(escape);
  });

  test('something else is refused, also when the environment says it', async () => {
    const asked = await cli(['list', '.', '--progress', 'loud']);
    expect([asked.code, asked.stderr]).toEqual([2, expect.stringContaining('progress')]);
    const env = { PLUGFERRY_PROGRESS: 'json' };
    expect(eventsOf((await cli(['verify', 'none'], { env })).stderr)).toHaveLength(1);
  });

  test('bar: a terminal sees what is done, how fast, and then what it came to', async () => {
    const directory = await tempDir();
    const { url } = await slowServer(3);
    const run = await cli(exportFrom(url), { cwd: directory, columns: 100 });
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/\r?download +[\d.]+ KiB +[\d.]+ (?:KiB|B)\/s/);
    expect(run.stdout).toContain(escape);
    // What is left when the bar is gone.
    expect(run.stdout).toMatch(/download: 64\.\d KiB in [\d.]+ s, [\d.]+ KiB\/s\r\n/);
    expect(run.stdout).toMatch(/exported x\.tar\.gz: [\d.]+ KiB, [\d.]+ s, sha256:[0-9a-f]{64}\r\n$/);
    // Nothing is left switched off.
    expect(run.stdout).not.toMatch(/\u001b\[\?(?:25|7)l/);
  });

  test.each([
    ['NO_COLOR', { NO_COLOR: '1' }],
    ['CI', { CI: 'true' }],
    ['a dumb terminal', { TERM: 'dumb' }],
  ])('%s: lines instead of a bar', async (_what, env) => {
    const directory = await tempDir();
    const { url } = await slowServer(2);
    const run = await cli(exportFrom(url), { cwd: directory, columns: 100, env });
    expect(run.stdout).toMatch(/^download: 64\.\d KiB in [\d.]+ s, [\d.]+ KiB\/s\r$/m);
    expect(run.stdout.match(/download/g)).toHaveLength(1);
    if (!('CI' in env)) expect(run.stdout).not.toContain(escape);
  });

  test('plain: a log gets a line every ten seconds', async () => {
    const directory = await tempDir();
    const { url } = await slowServer(12);
    const run = await cli(exportFrom(url), { cwd: directory, env: { PLUGFERRY_PROGRESS: 'auto' } });
    const lines = run.stderr.split('\n').filter((line) => line.startsWith('download: '));
    expect(lines).toEqual([
      expect.stringMatching(/^download: [\d.]+ KiB, [\d.]+ (?:KiB|B)\/s$/),
      expect.stringMatching(/^download: 64\.\d KiB in [\d.]+ s, [\d.]+ KiB\/s$/),
    ]);
    expect(run.stderr).not.toContain(escape);
  });

  test('-q and none: nothing of it', async () => {
    const directory = await tempDir();
    const { url } = await slowServer(2);
    const quiet = await cli([...exportFrom(url), '-q'], { cwd: directory, columns: 100 });
    expect(quiet.stdout).not.toContain('download');
    expect(quiet.stdout).not.toContain('exported');
    const none = await cli([...exportFrom(url), '--force', '--progress', 'none'], {
      cwd: directory,
      env: { PLUGFERRY_PROGRESS: 'plain' },
    });
    expect(none.stderr).not.toContain('download');
    expect(none.stderr).toContain('exported x.tar.gz: ');
  });

  test('an interrupt takes the bar away and leaves the terminal as it was', async () => {
    const directory = await tempDir();
    const { url } = await slowServer(20);
    const child = start(exportFrom(url), { cwd: directory, columns: 80 });
    await new Promise<void>((resolve) => {
      child.stdout?.on('data', () => {
        if (child.printed.stdout.includes('download  ')) resolve();
      });
    });
    // As the terminal does it.
    child.stdin?.write('\u0003');
    const { code, stdout } = await finished(child);
    expect(code).toBe(130);
    expect(stdout).toMatch(/E_INTERRUPTED.*\r\n.*what to do:/);
    expect(stdout.slice(stdout.lastIndexOf('download  '))).toContain(`${escape}[2K`);
  });
});

describe('the show of steps', () => {
  const told: string[] = [];
  const display = {
    every: 1000,
    after: 1000,
    show: (step: string, { done }: { done: number }) => told.push(`${step} ${done}`),
    ended: (step: string, _standing: object, words: string) => told.push(`${step}: ${words}`),
  };

  test('leaves out what is over within a second, and looks once a second at the rest', () => {
    let now = 0;
    const show = followSteps(display, () => now);
    for (; now <= 900; now += 1) show.observe('read', now, 900);
    expect(told.splice(0)).toEqual([]);
    const began = now;
    for (; now <= began + 3500; now += 1) show.observe('pack', now - began, 3500);
    expect(told.splice(0)).toEqual([
      'pack 1000',
      'pack 2000',
      'pack 3000',
      'pack: 3.4 KiB in 3.5 s, 1000 B/s',
    ]);
    show.observe('pack', 3500, 3500);
    show.end();
    expect(told.splice(0)).toEqual([]);
  });

  test('rates: of the last ten seconds; what was there before does not count; a stall shows', () => {
    const pace = new Pace(0, 5000, 105_000);
    expect(pace.standing(0)).toEqual({
      done: 5000,
      total: 105_000,
      seconds: 0,
      bytesPerSecond: undefined,
      secondsLeft: undefined,
    });
    for (let at = 0; at <= 20_000; at += 10) pace.note(at, 5000 + at, 105_000);
    expect(pace.standing(20_000)).toMatchObject({ bytesPerSecond: 1000, secondsLeft: 80 });
    for (let at = 20_000; at <= 40_000; at += 250) pace.standing(at);
    expect(pace.standing(40_000)).toMatchObject({ bytesPerSecond: 0, secondsLeft: undefined });
    expect(pace.whole(40_000)).toEqual({ seconds: 40, bytesPerSecond: 500 });
    pace.note(41_000, 0, 105_000);
    expect(pace.standing(41_000).bytesPerSecond).toBe(0);
  });

  test.each([0, 5, 20, 40, 60, 80, 200])(
    'a bar of %i columns has no more, and no control bytes',
    (columns) => {
      const standing = {
        done: 5 * 2 ** 40,
        total: 7 * 2 ** 40,
        seconds: 1,
        bytesPerSecond: 10 ** 9,
        secondsLeft: 1e5,
      };
      const text = barText('download', standing, columns);
      expect(text.length).toBeLessThanOrEqual(columns);
      expect(text).toMatch(/^[\x20-\x7e]*$/);
      if (columns >= 80) expect(text).toContain('#');
    },
  );

  test.each([
    [0, '0.0 s'],
    [9.94, '9.9 s'],
    [59.6, '1 min 00 s'],
    [185, '3 min 05 s'],
    [7500, '2 h 05 min'],
  ])('%f seconds are %s', (seconds, text) => {
    expect(formatSeconds(seconds)).toBe(text);
  });
});
