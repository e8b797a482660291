import { test } from 'vitest';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { testKey } from '../helpers/keys.js';
import { tempDir } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { exportBundle } from '../../src/export.js';
import { openBundleFile } from '../../src/bundle/open-file.js';
import { containerFor } from '../../src/bundle/container.js';
import { repack } from '../../src/bundle/repack.js';
test('x', async () => {
  const directory = await tempDir();
  const key = await testKey('dev');
  await tinyTree(directory, { 'key-auth@1.0.0': 'a', 'waf@1.0.0': 'b', 'waf@2.0.0': 'b' });
  for (const name of ['set.tar.gz','set.zip']) {
  await exportBundle({ source: join(directory,'plugins'), output: join(directory,name), signer: key });
  for (let i = 0; i < 200; i++) {
    const limit = (i >> 2) * 150;
    let where = 'open';
    const t = setTimeout(() => { console.log('HANG', name, limit, where); }, 2000);
    try {
      const sealed = await openBundleFile(join(directory,name));
      const opened = sealed.open(() => 1);
      const spy = { ...opened, payload: async (r: any) => { try { await opened.payload(async (f, b) => { where += ' recv ' + f.path; await r(f, b); where += ' done'; }); where += ' END'; } catch (e) { where += ' REJ ' + String(e); throw e; } } };
      const sealed2 = { ...sealed, manifestBytes: sealed.manifestBytes, signatures: sealed.signatures, close: async () => { where += ' CLOSE'; await sealed.close(); where += ' CLOSED'; } };
      let size = 0;
      const out = new Writable({ write(chunk: Buffer, _e, done) { size += chunk.length; done(size > limit ? new Error('full') : null); } });
      await repack({ sealed: sealed2, opened: spy, signatures: sealed.signatures }, containerFor('x.zip'), { out, scratch: tmpdir() }).then(() => { where = 'ok'; }, (e) => { where = String(e); });
      if (where !== 'ok' && where !== 'Error: full') console.log(name, limit, where);
    } catch (e) { }
    clearTimeout(t);
  } }
}, 20000);
