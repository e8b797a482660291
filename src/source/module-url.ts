import { rm } from 'node:fs/promises';
import { PlugferryError } from '../errors.js';
import { displayUrl, parseHttpAddress } from '../http/address.js';
import { HttpClient, type HttpOptions } from '../http/client.js';
import { PrivateDirectory } from '../files/temp-directory.js';
import { maxModuleBytes } from '../plugin/plugin.js';
import { isModuleName, listingOf, type FoundModule } from './modules.js';
import { refusePage } from './server-tree.js';
import type { Source } from './source.js';
import { maxFetchedBytes } from '../plugin/limits.js';

/** Whether a URL is that of one module rather than of a server. */
export const isModuleUrl = (location: string): boolean =>
  URL.canParse(location) && isModuleName(new URL(location).pathname);

/**
 * One module behind a URL. Nothing else below it is asked for.
 *
 * @param location `http(s)://host[:port]/.../<file>.wasm`
 * @throws PlugferryError `E_USAGE`.
 */
export function moduleUrlSource(
  location: string,
  options: HttpOptions & { readonly scratch: string },
): Source {
  const copies = new PrivateDirectory(options.scratch, { of: location, limit: maxFetchedBytes });
  const module = moduleAtUrl(location, copies, options);
  return { list: async () => listingOf([module]), close: () => copies.remove() };
}

/** @throws PlugferryError `E_USAGE` for a URL that cannot be asked for. */
export function moduleAtUrl(
  location: string,
  copies: PrivateDirectory,
  { access, patience }: HttpOptions = {},
): FoundModule {
  const { url, authorization } = parseHttpAddress(location);
  const client = new HttpClient({ url: new URL('.', url), authorization }, { access, patience });
  const file = displayUrl(url);
  return {
    from: file,
    path: url.pathname,
    host: url.host,
    fetch: async (signal, progress) => {
      const copy = await copies.create();
      const discard = (): Promise<void> => rm(copy.path, { force: true });
      try {
        const found = await client.download({
          url,
          limit: maxModuleBytes,
          signal,
          progress,
          file: copy,
          admit: refusePage,
        });
        if (found === undefined) throw noModule(file);
      } catch (error) {
        await discard();
        throw error;
      } finally {
        await copy.handle.close();
      }
      return { wasm: copy.path, metadata: undefined, provenance: { kind: 'http', reference: file }, discard };
    },
  };
}

const noModule = (file: string): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file}: there is nothing, expected a WebAssembly module`, {
    hint: 'Check the address.',
    details: { file, expected: 'application/wasm', found: 'nothing' },
  });
