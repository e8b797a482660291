import { PlugferryError } from '../../errors.js';
import { escapeText } from '../../stream/text.js';
import { matchesHost } from './pattern.js';

/** What an ssh_config file says about one host, as far as it concerns us. */
export interface HostConfig {
  readonly hostName?: string;
  readonly user?: string;
  readonly port?: number;
  /** As written: `~` and `%` tokens still in them. */
  readonly identityFiles: readonly string[];
}

type Word = 'hostname' | 'user' | 'port' | 'proxyjump' | 'proxycommand';
const firstCounts: readonly Word[] = ['hostname', 'user', 'port', 'proxyjump', 'proxycommand'];
const isWord = (name: string): name is Word => (firstCounts as readonly string[]).includes(name);

/**
 * Reads ssh_config(5) for one host. As with ssh, the first value found counts, and every `IdentityFile` does. `Match` blocks
 * and `Include` are passed over: their conditions and files are not ours to run.
 *
 * @param alias the host as the location names it.
 * @throws PlugferryError `E_USAGE` for a host behind a proxy of its own, which is not supported, and for a port that is none.
 */
export function hostConfig(text: string, alias: string, file: string): HostConfig {
  const found = new Map<Word, string>();
  const identityFiles: string[] = [];
  let applies = true;
  for (const line of text.split(/\r?\n/)) {
    const [, name = '', rest = ''] = /^\s*([A-Za-z]+)(?:\s*=\s*|\s+)(.*?)\s*$/.exec(line) ?? [];
    const keyword = name.toLowerCase();
    if (keyword === 'host') applies = matchesHost(wordsOf(rest), alias);
    else if (keyword === 'match') applies = false;
    else if (applies && keyword === 'identityfile') identityFiles.push(wordsOf(rest)[0] ?? '');
    else if (applies && isWord(keyword) && !found.has(keyword)) found.set(keyword, wordsOf(rest).join(' '));
  }
  refuseProxy(found, alias, file);
  const port = portOf(found.get('port'), file);
  const hostName = found.get('hostname')?.replaceAll('%h', alias).replaceAll('%%', '%');
  const user = found.get('user');
  return {
    ...(hostName === undefined ? {} : { hostName }),
    ...(user === undefined ? {} : { user }),
    ...(port === undefined ? {} : { port }),
    identityFiles: identityFiles.filter((path) => path !== '' && path.toLowerCase() !== 'none'),
  };
}

/** Words of a line; double quotes hold blanks together. */
const wordsOf = (text: string): string[] =>
  [...text.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');

function refuseProxy(found: ReadonlyMap<Word, string>, alias: string, file: string): void {
  for (const [word, name] of [
    ['proxyjump', 'ProxyJump'],
    ['proxycommand', 'ProxyCommand'],
  ] as const) {
    const value = found.get(word);
    if (value === undefined || value.toLowerCase() === 'none') continue;
    const shown = escapeText(value);
    throw new PlugferryError('E_USAGE', `${file}: ${name} ${shown} for ${alias}: not supported`, {
      hint:
        'Forward a port with "ssh -N -L 2222:SERVER:22 JUMPHOST" and name the server as sftp://USER@127.0.0.1:2222/..., ' +
        'or push to the jump host and on from there.',
      details: { file, found: value },
    });
  }
}

function portOf(text: string | undefined, file: string): number | undefined {
  if (text === undefined) return undefined;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new PlugferryError('E_USAGE', `${file}: Port ${escapeText(text)} is not a port`, {
    hint: 'Give a number from 1 to 65535.',
    details: { file, found: text },
  });
}
