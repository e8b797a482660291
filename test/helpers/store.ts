import { startWeb, type Web } from './web.js';

/** A web server that keeps what is put and gives it back, as an artifact repository does, until the test has finished. */
export async function startStore(): Promise<Web & { readonly files: Map<string, Buffer> }> {
  const files = new Map<string, Buffer>();
  const web = await startWeb((request, response) => {
    const path = request.url ?? '';
    const there = files.get(path);
    if (request.method === 'PUT') {
      const pieces: Buffer[] = [];
      request
        .on('data', (piece: Buffer) => pieces.push(piece))
        .on('end', () => {
          files.set(path, Buffer.concat(pieces));
          response.writeHead(there === undefined ? 201 : 204).end();
        });
    } else if (there === undefined) response.writeHead(404).end();
    else {
      response.writeHead(200, { 'content-length': there.length, etag: `"${there.length}"` });
      response.end(request.method === 'HEAD' ? undefined : there);
    }
  });
  return { ...web, files };
}
