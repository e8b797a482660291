import { knownKeys, type TrustStore } from './store.js';

/** What a trust store asks for and, as it stands, can never get: each a sentence. */
export function shortfalls(store: TrustStore, now: Date): string[] {
  const { sets, rootThreshold } = store.document;
  const active = knownKeys(store, now).filter(({ standing }) => standing === 'active');
  const countOf = (role: string): number => active.filter((key) => key.role === role).length;
  const found: string[] = [];
  for (const [set, { require }] of Object.entries(sets)) {
    for (const { role, threshold } of require) {
      if (countOf(role) >= threshold) continue;
      found.push(
        `set ${set} needs ${threshold} of role ${role}, but ${countOf(role)} such keys are valid now: every bundle is refused`,
      );
    }
  }
  if (Object.keys(sets).length === 0) found.push('no set has a policy: every bundle is refused');
  // Without any root key, whoever owns the directory changes it by hand; that is no mistake.
  if (knownKeys(store, now).some(({ role }) => role === 'root') && countOf('root') < rootThreshold) {
    found.push(
      `updates need ${rootThreshold} of role root, but ${countOf('root')} such keys are valid now: "trust update" refuses`,
    );
  }
  return found;
}
