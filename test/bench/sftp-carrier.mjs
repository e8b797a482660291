/**
 * Sends a file in a process of its own: `sftp-carrier.mjs FILE LOCATION IDENTITY KNOWN_HOSTS`. Prints how many seconds it took from
 * the connection to the last acknowledged byte.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { sftpFile } from '../../src/transport/sftp.ts';

const [file, location, identity, knownHosts] = process.argv.slice(2);
const remote = sftpFile(location, { identities: [identity], knownHosts: [knownHosts] });
const hash = createHash('sha256');
let size = 0;
for await (const chunk of createReadStream(file, { highWaterMark: 1024 * 1024 })) {
  hash.update(chunk);
  size += chunk.length;
}
const began = performance.now();
let sent = 0;
const progress = (done) => {
  if (done === size) sent ||= performance.now() - began;
};
try {
  await remote.write({ path: file, digest: { size, sha256: hash.digest('hex') } }, { progress });
  process.stdout.write(String(sent / 1000));
} finally {
  await remote.close();
}
