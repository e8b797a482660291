/**
 * One transfer in a process of its own: `sftp-carrier.mjs push|pull FILE LOCATION IDENTITY KNOWN_HOSTS`. Of a push it prints how
 * many seconds it took from the connection to the last acknowledged byte.
 */
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { sftpFile } from '../../src/transport/sftp.ts';

const [verb, file, location, identity, knownHosts] = process.argv.slice(2);
const remote = sftpFile(location, { identities: [identity], knownHosts: [knownHosts] });

async function push() {
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
  await remote.write({ path: file, digest: { size, sha256: hash.digest('hex') } }, { progress });
  process.stdout.write(String(sent / 1000));
}

try {
  if (verb === 'push') await push();
  else await pipeline((await remote.read()).bytes, createWriteStream(file));
} finally {
  await remote.close();
}
