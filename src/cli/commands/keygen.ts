import { generateKeys } from '../../trust/key-files.js';
import { command } from '../command.js';
import { passphraseOptions, readPassphrase } from '../options/passphrase.js';
import { facts } from '../output/table.js';

export default command({
  name: 'keygen',
  describe: 'Make a key pair for signing bundles: NAME.key and NAME.pub',
  positionals: { name: { type: 'string', demandOption: true, describe: 'Path of the pair, without suffix' } },
  options: {
    algorithm: {
      type: 'string',
      choices: ['ecdsa-p256', 'ed25519'],
      default: 'ecdsa-p256',
      describe: 'ecdsa-p256 is checked by OpenSSL from 1.0.2 up, ed25519 only by 3.0 and later',
    },
    ...passphraseOptions,
    'allow-plain-key': {
      type: 'boolean',
      default: false,
      describe: 'Leave the private key without a passphrase',
    },
  },
  examples: [
    ['dev', 'Ask for a passphrase; write dev.key and dev.pub'],
    ['keys/qa --passphrase-file qa.pass', 'Take the passphrase from a file'],
    ['root', 'A key that signs updates of trust stores'],
  ],
  async run({ name, algorithm, ...flags }, { signal }) {
    const passphrase = flags['allow-plain-key']
      ? undefined
      : await readPassphrase(flags, { twice: true, signal });
    const made = await generateKeys({
      path: name,
      algorithm: algorithm === 'ed25519' ? 'ed25519' : 'ecdsa-p256',
      ...(passphrase === undefined ? {} : { passphrase }),
    });
    return {
      json: made,
      text: facts([
        [
          'private key',
          `${made.privateKeyFile} (${made.encrypted ? 'encrypted' : 'NOT encrypted'}; keep it secret)`,
        ],
        ['public key', `${made.publicKeyFile} (give it to whoever receives your bundles)`],
        ['key id', made.keyId],
      ]),
    };
  },
});
