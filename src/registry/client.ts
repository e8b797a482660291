import { PlugferryError } from '../errors.js';
import { sha256Of } from '../stream/digest.js';
import {
  anonymousAccess,
  type HttpAccess,
  HttpClient,
  type HttpReply,
  type Patience,
} from '../http/client.js';
import type { PrivateDirectory } from '../files/temp-directory.js';
import type { Progress } from '../stream/progress.js';
import type { Artifact, Layer } from './artifact.js';
import {
  acceptedTypes,
  chosenManifest,
  type Descriptor,
  maxDocumentBytes,
  parseDocument,
  refused,
  refuseNesting,
} from './document.js';
import { type RegistryAccess, RegistryLogin } from './login.js';

/** An artifact of a registry. */
export interface ArtifactAddress {
  /** `host[:port]` */
  readonly registry: string;
  readonly repository: string;
  readonly tag: string | undefined;
  /** `sha256:` and 64 hex characters; decides where there is a tag too. */
  readonly digest: string | undefined;
}

/** Largest layer that is fetched, in bytes; a plugin-server image with all official plugins has about 100 MiB. */
const maxLayerBytes = 2 * 1024 * 1024 * 1024;

/** Reads artifacts of one registry (OCI distribution specification 1.1). Nothing is believed that its digest does not prove. */
export class RegistryClient {
  readonly #registry: string;
  readonly #client: HttpClient;
  readonly #base: URL;
  readonly #login: RegistryLogin;
  readonly #copies: PrivateDirectory;

  /**
   * @param registry `host[:port]`
   * @param copies where layers are put; whoever owns it removes them.
   */
  constructor(
    registry: string,
    copies: PrivateDirectory,
    access: RegistryAccess & { readonly patience?: Partial<Patience> | undefined } = {},
  ) {
    this.#registry = registry;
    this.#base = new URL(`${access.plainHttp === true ? 'http' : 'https'}://${hostOf(registry)}/v2/`);
    // Blobs mostly lie in object stores, to which registries send their callers.
    this.#client = new HttpClient(
      { url: this.#base, authorization: undefined },
      { access: withoutToken(access.http), redirects: 'anywhere', patience: access.patience },
    );
    this.#login = new RegistryLogin(registry, access);
    this.#copies = copies;
  }

  /**
   * @throws PlugferryError `E_SOURCE` when there is none or it is no artifact, `E_DIGEST`, `E_LOGIN`, `E_NETWORK`, `E_LIMIT`.
   */
  artifact(address: ArtifactAddress, signal?: AbortSignal): Promise<Artifact> {
    return this.#artifact(address, 0, signal);
  }

  /** @param lists how many lists of manifests led here. */
  async #artifact(address: ArtifactAddress, lists: number, signal?: AbortSignal): Promise<Artifact> {
    const { repository, tag, digest } = address;
    const file = nameOf(address);
    const { bytes, type } = await this.#document(repository, digest ?? tag ?? 'latest', signal);
    const found = `sha256:${sha256Of(bytes)}`;
    if (digest !== undefined && digest !== found) throw otherDigest(file, digest, found);
    const document = parseDocument(bytes, type, file);
    if (document.kind === 'manifest')
      return { ...document, digest: found, layers: this.#layers(repository, document.layers) };
    refuseNesting(lists, file);
    const { digest: chosen } = chosenManifest(document.manifests, file);
    const inner = await this.#artifact({ ...address, tag: undefined, digest: chosen }, lists + 1, signal);
    return { ...inner, digest: found };
  }

  async #document(
    repository: string,
    reference: string,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly bytes: Buffer; readonly type: string }> {
    const url = new URL(`${repository}/manifests/${reference}`, this.#base);
    const reply = await this.#login.with(repository, signal, (authorization) =>
      this.#client.document({ url, limit: maxDocumentBytes, accept: acceptedTypes, authorization, signal }),
    );
    if (reply !== undefined) return reply;
    const file = nameOf({ registry: this.#registry, repository, reference });
    throw new PlugferryError('E_SOURCE', `${file} does not exist, or is hidden from you`, {
      hint: 'Check repository and tag; some registries say this also to whoever is not logged in.',
      details: { file, expected: 'a manifest', found: 'nothing' },
    });
  }

  #layers(repository: string, descriptors: readonly Descriptor[]): Layer[] {
    const fetched = new Map<string, Promise<string>>();
    return descriptors.map((descriptor) => {
      const { mediaType, digest, size } = descriptor;
      return {
        mediaType,
        digest,
        size,
        label: nameOf({ registry: this.#registry, repository, reference: digest }),
        fetch: (signal, progress) => {
          // A manifest may name one layer a thousand times.
          const key = `${digest} ${size}`;
          const known = fetched.get(key) ?? this.#blob(repository, descriptor, signal, progress);
          fetched.set(key, known);
          return known;
        },
      };
    });
  }

  // eslint-disable-next-line max-params -- the last two travel together everywhere
  async #blob(
    repository: string,
    { digest, size }: Descriptor,
    signal: AbortSignal | undefined,
    progress: Progress | undefined,
  ): Promise<string> {
    const file = nameOf({ registry: this.#registry, repository, reference: digest });
    if (size > maxLayerBytes) throw tooLarge(file, size);
    const copy = await this.#copies.create();
    try {
      const found = await this.#login.with(repository, signal, (authorization) =>
        this.#client.download({
          url: new URL(`${repository}/blobs/${digest}`, this.#base),
          limit: size,
          authorization,
          pinned: true,
          file: copy,
          admit: refusePage,
          signal,
          ...(progress === undefined ? {} : { progress }),
        }),
      );
      if (found === undefined) throw refused(file, 'is named by the manifest and not there');
      if (found.size !== size || `sha256:${found.sha256}` !== digest)
        throw otherDigest(
          file,
          `${digest} of ${size} bytes`,
          `sha256:${found.sha256} of ${found.size} bytes`,
        );
      return copy.path;
    } finally {
      await copy.handle.close();
    }
  }
}

/** Docker's own registry answers under another name than the one that references have. */
const hostOf = (registry: string): string =>
  ['docker.io', 'index.docker.io'].includes(registry) ? 'registry-1.docker.io' : registry;

/** A token for web servers is nothing that a registry should see. */
const withoutToken = ({ clientCertificate, ...http }: HttpAccess = {}): HttpAccess => ({
  ...anonymousAccess(http),
  ...(clientCertificate === undefined ? {} : { clientCertificate }),
});

const nameOf = (
  address:
    ArtifactAddress | { readonly registry: string; readonly repository: string; readonly reference: string },
): string => {
  const { registry, repository } = address;
  const reference = 'reference' in address ? address.reference : (address.digest ?? address.tag ?? 'latest');
  return `oci://${registry}/${repository}${reference.startsWith('sha256:') ? '@' : ':'}${reference}`;
};

/** Login pages come with status 200. */
function refusePage({ url, type }: HttpReply): void {
  if (type === 'text/html') throw refused(`${url.origin}${url.pathname}`, 'is a web page, expected a layer');
}

const otherDigest = (file: string, expected: string, found: string): PlugferryError =>
  new PlugferryError('E_DIGEST', `${file}: the registry sends other bytes: ${found}, expected ${expected}`, {
    hint: 'The registry, or something before it, is broken or lies. Fetch from another one.',
    details: { file, expected, found },
  });

const tooLarge = (file: string, size: number): PlugferryError =>
  new PlugferryError('E_LIMIT', `${file}: the layer has ${size} bytes, expected at most ${maxLayerBytes}`, {
    hint: 'Is this really the image of a plugin, or of a plugin server?',
    details: { file, expected: maxLayerBytes, found: size },
  });
