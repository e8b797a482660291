import { execFileSync, spawnSync } from 'node:child_process';

/** Whether there is a kubectl; says what to install where there is none. */
export const hasKubectl = spawnSync('kubectl', ['version', '--client']).status === 0;
if (!hasKubectl) {
  // eslint-disable-next-line no-console
  console.warn('skipped: what kubectl reads from our YAML. Install it: apt-get install kubernetes-client');
}

/**
 * The objects of a YAML text as kubectl reads them, without a cluster: "annotate --local" prints what it has read, with one
 * annotation more. Each object needs apiVersion, kind and metadata.name.
 */
export function readByKubectl(text: string): Record<string, unknown>[] {
  const args = ['annotate', '--local', '--overwrite', '-f', '-', 'plugferry-test=x', '-o', 'json'];
  const printed = execFileSync('kubectl', args, { input: text, maxBuffer: 64 * 1024 * 1024 }).toString();
  const objects = printed
    .split(/^(?=\{$)/m)
    .filter((part) => part.trim() !== '')
    .map((part) => JSON.parse(part) as Record<string, unknown>);
  return objects.map(withoutMark);
}

function withoutMark(object: Record<string, unknown>): Record<string, unknown> {
  const { annotations, ...metadata } = object['metadata'] as Record<string, unknown>;
  const kept = Object.entries(annotations as object).filter(([key]) => key !== 'plugferry-test');
  return {
    ...object,
    metadata: kept.length === 0 ? metadata : { ...metadata, annotations: Object.fromEntries(kept) },
  };
}
