import type { SignResult } from '../../index.js';
import { signFile } from '../../operations/sign.js';
import { command } from '../command.js';
import { manifestFacts, pluginTable } from '../output/manifest-text.js';
import { reachFrom, reachOptions } from '../options/network.js';
import {
  readSigners,
  requiredSigner,
  signerFrom,
  signerOptions,
  signFileOption,
  signingOptions,
} from '../options/common.js';
import { digestRows, proofRows, stdoutFor } from '../options/output.js';
import { bundlePlace, sayRepairs } from '../options/split.js';
import { facts } from '../output/table.js';
import type { Summary } from '../output/reporters.js';
import { keyTable, policyTable, storeFacts } from '../output/trust-text.js';

export default command({
  name: 'sign',
  describe: 'Add a signature to a bundle, its plugins untouched; or sign the trust.json of a trust store',
  positionals: {
    file: { ...bundlePlace, describe: `${bundlePlace.describe}; or trust.json of a trust store` },
  },
  options: {
    output: {
      alias: 'o',
      type: 'string',
      describe:
        'Where to write: a path, - (standard output), sftp:// or http(s):// (default: the bundle itself; detached: BUNDLE.sig)',
    },
    ...signingOptions,
    signature: {
      type: 'string',
      describe: 'File with a signature made elsewhere: DER, base64 or a Sigstore bundle; needs --signed-by',
    },
    detached: {
      type: 'boolean',
      default: false,
      describe: 'Write the raw signature of the manifest to a file and leave the bundle alone',
    },
    'sign-file': signFileOption,
    sigstore: { type: 'string', describe: 'Write the signature also as a Sigstore bundle, for cosign' },
    ...signerOptions,
    trust: {
      ...signerOptions.trust,
      describe:
        'Directory of a trust store: a bundle is signed only if it meets its rules, but for the signatures to come',
    },
    ...reachOptions,
    force: { type: 'boolean', default: false, describe: 'Replace existing outputs' },
  },
  examples: [
    [
      'edge.tar.gz --signing-key keys/qa.key --passphrase-file qa.pass --public-key dev.pub',
      'Countersign what dev signed',
    ],
    [
      'edge.tar.gz --detached -o qa.sig --signing-key keys/qa.key --passphrase-file qa.pass',
      'Sign on a machine that the bundle does not leave again',
    ],
    ['edge.tar.gz --signature qa.sig --signed-by keys/qa.pub', 'Add a signature that was made elsewhere'],
    [
      'edge.tar.gz --sign-command "openssl dgst -sha256 -sign keys/qa.key -passin file:qa.pass" --signed-by keys/qa.pub',
      'Have another program sign',
    ],
    ['new-trust/trust.json --signing-key root.key', 'Sign a new trust store, for "trust update"'],
  ],
  async run({ file, output, detached, sigstore, force, ...flags }, { terminal, signal }) {
    const trust = await readSigners(flags);
    const places = file.map(String);
    const result = await signFile({
      file: places,
      ...(await reachFrom(flags, places)),
      ...stdoutFor(output, terminal),
      onRepair: sayRepairs(terminal),
      signer: requiredSigner(await signerFrom(flags, signal)),
      detached,
      signFile: flags['sign-file'],
      force,
      ...(output === undefined ? {} : { output }),
      ...(sigstore === undefined ? {} : { sigstoreFile: sigstore }),
      ...(trust === undefined ? {} : { trust }),
      signal,
      notify: terminal.say,
      onProgress: terminal.onProgress,
    });
    return { json: result, text: describe(result), summary: summaryOf(result) };
  },
});

const summaryOf = ({ file, subject, signedSha256 }: SignResult): Summary => ({
  what: `signed ${file}`,
  size: subject.kind === 'bundle' ? subject.manifest.totalSize : undefined,
  digest: `${subject.kind === 'bundle' ? 'manifest' : 'trust.json'} sha256:${signedSha256}`,
});

function describe(result: SignResult): string {
  const { subject, file, sigstoreFile, keyId, signedSha256, proof, digestFiles } = result;
  const written: (readonly [string, string])[] = [
    ['signed by', keyId],
    ['written', [file, ...(sigstoreFile === undefined ? [] : [sigstoreFile])].join(', ')],
    ...proofRows(proof),
    ...digestRows(digestFiles),
  ];
  if (subject.kind === 'trust store') {
    const { document } = subject;
    const keys = Object.entries(document.keys).map(([id, key]) => ({
      keyId: id,
      standing: key.status,
      ...key,
    }));
    return [
      'SIGNED: this trust store.',
      '',
      facts(written),
      storeFacts(document),
      '',
      keyTable(keys),
      '',
      policyTable(document),
    ].join('\n');
  }
  return [
    'SIGNED: every byte is what the manifest says.',
    '',
    facts([...written, ...earlierSigners(result)]),
    manifestFacts(subject.manifest, signedSha256),
    '',
    pluginTable(subject.manifest),
  ].join('\n');
}

/** Whose the signatures are that were there before. */
function earlierSigners({ subject, signatures, keyId }: SignResult): (readonly [string, string])[] {
  if (subject.kind !== 'bundle') return [];
  if (subject.authentication !== undefined) {
    return subject.authentication.signers.map(
      (key) => ['earlier signer', `${key.keyId} (${key.name}), signature checked`] as const,
    );
  }
  const others = signatures.filter((id) => id !== keyId);
  return others.map(
    (id) => ['earlier signer', `${id} by its own claim; neither --trust nor --public-key was given`] as const,
  );
}
