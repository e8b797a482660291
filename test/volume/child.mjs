/** One change of a volume in a process of its own: `child.mjs '{"verb": "import", ...}'`, by the compiled code. */
import { Readable } from 'node:stream';
import { changeVolume } from '../../dist/volume/change.js';
import { mergePlugins } from '../../dist/release/merge.js';
import { prune } from '../../dist/volume/prune.js';
import { rollback } from '../../dist/volume/rollback.js';

const { verb, root, now, incoming, next, keep } = JSON.parse(process.argv[2]);
const actor = { user: 'ada', host: 'bench', pid: process.pid, tool: 'plugferry child' };
const options = { actor, clock: () => new Date(now ?? Date.now()) };

async function bring(change) {
  const { plugins } = mergePlugins(change.current?.plugins ?? [], next.plugins, {
    mode: next.origin.mode,
    allowOverwrite: true,
  });
  const missing = await change.prepare(next.plugins.flatMap(({ files }) => files));
  for (const { content, ...expected } of incoming) {
    if (missing.has(expected.sha256)) await change.receive(expected, Readable.from([Buffer.from(content)]));
  }
  const evidence = { manifest: Buffer.from(next.manifest), signatures: new Map() };
  return change.publish({ plugins, origin: next.origin, evidence, seen: next.origin.bundle });
}

const verbs = {
  import: () => changeVolume(root, options, bring),
  rollback: () => rollback(root, {}, options),
  prune: () => prune(root, { keep }, options),
};

try {
  await verbs[verb]();
} catch (error) {
  process.stdout.write(JSON.stringify({ code: error.code, message: error.message }));
  process.exitCode = 3;
}
