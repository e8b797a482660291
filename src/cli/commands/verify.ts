import type { Verification, VerifyOptions, VolumeCheck } from '../../index.js';
import { holdsParts } from '../../location/bundle-input.js';
import { verifyBundle } from '../../operations/verify.js';
import { checkVolume as verifyVolume, checkHint as volumeCheckHint } from '../../volume/check.js';
import { isPlugferryError, PlugferryError } from '../../errors.js';
import { isDirectory } from '../../files/open-regular.js';
import { escapeLine, formatBytes } from '../../stream/text.js';
import { command, type Context, type Outcome } from '../command.js';
import { exitCodes } from '../exit-codes.js';
import { gatewayFrom, gatewayOptions } from '../options/gateway.js';
import { manifestFacts } from '../output/manifest-text.js';
import { reachFrom, reachOptions } from '../options/network.js';
import { readTrust, trustOptions } from '../options/common.js';
import { safeDirectoriesFrom, safeDirectoryOption } from '../options/ssh.js';
import { bundlePlace, sayRepairs } from '../options/split.js';
import { named } from '../output/reporters.js';
import { facts, table } from '../output/table.js';
import { checksOf, checkTable } from '../output/trust-text.js';

export default command({
  name: 'verify',
  describe: 'Check signatures, policy and every byte of a bundle, or every byte of a volume; write nothing',
  positionals: {
    bundle: { ...bundlePlace, describe: `${bundlePlace.describe}; or directory of a volume` },
  },
  options: { ...trustOptions, ...gatewayOptions, ...safeDirectoryOption, ...reachOptions },
  examples: [
    ['edge.tar.gz --public-key dev.pub', 'Succeeds only when dev signed exactly this'],
    ['edge.tar.gz --trust ./trust', 'Succeeds only when it meets the policy of its set'],
    [
      'edge.tar.gz --public-key dev.pub --gateway-profile higress',
      'Also asks whether the gateway can run all of it',
    ],
    ['/srv/plugin-server', 'Reads every byte of every release again; names what is not as it was imported'],
  ],
  async run({ bundle, ...flags }, { terminal, signal, implied }) {
    const places = bundle.map(String);
    const [volume = ''] = places;
    if (places.length === 1 && (await isDirectory(volume)) && !(await holdsParts(volume))) {
      refuseTrustOptions(flags, implied);
      return volumeOutcome(
        await verifyVolume(volume, {
          signal,
          onProgress: terminal.onProgress,
          safeDirectories: safeDirectoriesFrom(flags),
        }),
      );
    }
    const trust = await readTrust(flags, terminal);
    const { manifest, manifestSha256, authentication, checks } = await verify(
      {
        bundle: places,
        ...(await reachFrom(flags, places)),
        trust,
        onRepair: sayRepairs(terminal),
        onProgress: terminal.onProgress,
        ...(await gatewayFrom(flags)),
        signal,
      },
      terminal,
    );
    const { signers, uncounted, unknownSigners, skipped } = authentication;
    return {
      json: { verified: !skipped, manifestSha256, signers, uncounted, unknownSigners, checks, manifest },
      text: [
        skipped
          ? 'INTACT, BUT NOT AUTHENTICATED: the signature was not checked.'
          : 'VERIFIED: signature and every byte.',
        '',
        checkTable(checks),
        '',
        manifestFacts(manifest, manifestSha256),
      ].join('\n'),
      summary: {
        what: `${skipped ? 'read' : 'verified'} ${named(places)}`,
        size: manifest.totalSize,
        digest: `manifest sha256:${manifestSha256}`,
      },
    };
  },
});

/**
 * A volume is compared with what was recorded when its bundles were verified; no key is asked again. What the environment and
 * the configuration file say of keys is meant for bundles.
 */
function refuseTrustOptions(flags: Readonly<Record<string, unknown>>, implied: ReadonlySet<string>): void {
  const given = ['public-key', 'trust', 'gateway-profile'].find(
    (name) => flags[name] !== undefined && !implied.has(name),
  );
  if (given === undefined) return;
  throw new PlugferryError('E_USAGE', `--${given} goes with a bundle, and this is a directory`, {
    hint: 'Leave it out to check a volume; "plugferry receipt" says which keys its bundles were signed with.',
  });
}

/** A refusal comes with the checks that led to it. */
async function verify(options: VerifyOptions, terminal: Context['terminal']): Promise<Verification> {
  try {
    return await verifyBundle(options);
  } catch (error) {
    const checks = isPlugferryError(error) ? checksOf(error) : [];
    if (checks.length > 0) for (const line of checkTable(checks).split('\n')) terminal.say(line);
    throw error;
  }
}

/** Findings are no error of this program: they are its result, with the exit code of damaged files. */
function volumeOutcome(check: VolumeCheck): Outcome {
  const { findings, root, releases, files, bytes } = check;
  const release = check.release === undefined ? {} : { digest: `release ${check.release}` };
  const said = { what: `read ${root}`, size: bytes, ...release };
  const summary = facts([
    ['checked', `${files} files of ${releases} releases, ${formatBytes(bytes)}`],
    ['findings', findings.length === 0 ? 'none' : String(findings.length)],
  ]);
  if (findings.length === 0) {
    return {
      json: check,
      text: [escapeLine(`INTACT: ${root} is as it was imported.`), '', summary].join('\n'),
      summary: said,
    };
  }
  const rows = findings.map(({ kind, path, plugin, release, found }) => [
    kind,
    plugin ?? '-',
    release?.slice(0, 12) ?? '-',
    kind === 'exposed' ? `${path} ${found ?? ''}` : path,
  ]);
  const text = [
    escapeLine(`DAMAGED: ${root} is not as it was imported.`),
    '',
    table(['FINDING', 'PLUGIN', 'RELEASE', 'PATH'], rows),
    '',
    summary,
    `what to do: ${volumeCheckHint}`,
  ].join('\n');
  return { json: check, text, summary: said, exit: exitCodes.E_RELEASE };
}
