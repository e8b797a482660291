import type { Switched } from '../../index.js';
import { escapeLine } from '../../stream/text.js';
import { facts } from './table.js';

/** What a change of the current release came to, for people. */
export function switchedText(done: string, volume: string, { outcome, release, previous }: Switched): string {
  const headline =
    outcome === 'unchanged'
      ? `UNCHANGED: ${volume} serves exactly this already.`
      : `${done}: ${volume} now serves release ${release.id.slice(0, 12)}.`;
  const rows = facts([
    ['release', release.id],
    ['before', previous ?? 'none'],
    ['plugins', String(release.plugins.length)],
  ]);
  return [escapeLine(headline), '', rows].join('\n');
}
