import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { knownKeys, knownName } from '../../../src/transport/ssh/known-hosts.js';
import { matchesHost } from '../../../src/transport/ssh/pattern.js';
import { hasSshd, makeKey } from '../../helpers/sshd.js';
import { tempDir } from '../../helpers/temp.js';

const blob = Buffer.concat([
  Buffer.from([0, 0, 0, 11]),
  Buffer.from('ssh-ed25519'),
  Buffer.from([0, 0, 0, 32]),
  Buffer.alloc(32, 7),
]);
const key = `ssh-ed25519 ${blob.toString('base64')}`;
const found = (text: string, name: string): { line: number; revoked: boolean }[] =>
  knownKeys(text, name, 'known_hosts').map(({ line, revoked }) => ({ line, revoked }));

describe('known_hosts', () => {
  test.each([
    ['plain', `edge.example.com ${key}`, 'edge.example.com'],
    ['one of several', `a.example.com,edge.example.com,10.0.0.1 ${key} comment`, '10.0.0.1'],
    ['upper case in the file', `Edge.Example.COM ${key}`, 'edge.example.com'],
    ['upper case in the location', `edge.example.com ${key}`, knownName('EDGE.example.com', 22)],
    ['wildcard', `*.example.com ${key}`, 'edge.example.com'],
    ['question mark', `10.0.0.? ${key}`, '10.0.0.7'],
    ['port', `[edge.example.com]:2222 ${key}`, knownName('edge.example.com', 2222)],
    ['port and wildcard', `[*.example.com]:2222 ${key}`, knownName('edge.example.com', 2222)],
    ['tabs and blanks in front', ` \tedge.example.com\t${key}`, 'edge.example.com'],
  ])('%s', (_what, text, name) => {
    expect(found(text, name)).toEqual([{ line: 1, revoked: false }]);
  });

  test.each([
    ['another host', `edge.example.com ${key}`, 'edge.example.org'],
    ['only a part of the name', `edge.example ${key}`, 'edge.example.com'],
    ['a host on another port', `edge.example.com ${key}`, knownName('edge.example.com', 2222)],
    ['the usual port, where the line has another', `[edge.example.com]:2222 ${key}`, 'edge.example.com'],
    ['a negated name', `*.example.com,!edge.example.com ${key}`, 'edge.example.com'],
    ['a negated name that stands first', `!edge.example.com,*.example.com ${key}`, 'edge.example.com'],
    ['an authority of certificates', `@cert-authority *.example.com ${key}`, 'edge.example.com'],
    ['a marker that nobody knows', `@trusted edge.example.com ${key}`, 'edge.example.com'],
    ['a comment', `# edge.example.com ${key}`, 'edge.example.com'],
    [
      'a key that is another type than the line says',
      `edge.example.com ssh-rsa ${blob.toString('base64')}`,
      'edge.example.com',
    ],
    ['a key that is none', 'edge.example.com ssh-ed25519 AAAA', 'edge.example.com'],
    ['a line that is cut off', 'edge.example.com', 'edge.example.com'],
    ['a hash of another kind', `|2|AAAA|BBBB ${key}`, 'edge.example.com'],
  ])('does not take %s', (_what, text, name) => {
    expect(found(text, name)).toEqual([]);
  });

  test('a revoked key is told apart, and lines are counted as an editor does', () => {
    const text = `# first\r\n\r\n@revoked * ${key}\r\nedge.example.com ${key}\r\n`;
    expect(found(text, 'edge.example.com')).toEqual([
      { line: 3, revoked: true },
      { line: 4, revoked: false },
    ]);
  });

  test('a pattern that would make a regular expression run for ever is answered at once', () => {
    expect(matchesHost([`${'*a'.repeat(5000)}b`], 'a'.repeat(5000))).toBe(false);
  });

  test.skipIf(!hasSshd)('hashed names are those of "ssh-keygen -H"', async () => {
    const directory = await tempDir();
    makeKey(join(directory, 'host'));
    const [type = '', base64 = ''] = (await readFile(join(directory, 'host.pub'), 'utf8')).split(' ');
    const file = join(directory, 'known_hosts');
    await writeFile(file, `edge.example.com ${type} ${base64}\n[edge.example.com]:2222 ${type} ${base64}\n`);
    execFileSync('ssh-keygen', ['-H', '-f', file], { stdio: 'pipe' });
    const text = await readFile(file, 'utf8');
    expect(text).not.toContain('edge');
    expect(found(text, 'edge.example.com')).toEqual([{ line: 1, revoked: false }]);
    expect(found(text, knownName('edge.example.com', 2222))).toEqual([{ line: 2, revoked: false }]);
    expect(found(text, 'other.example.com')).toEqual([]);
  });
});
