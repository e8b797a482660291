import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { isPlugferryError, PlugferryError } from '../errors.js';
import { ioError } from '../files/file-errors.js';
import { isRegularFile, readSmallFile } from '../files/open-regular.js';
import type { PrivateDirectory } from '../files/temp-directory.js';
import type { Artifact, Layer } from './artifact.js';
import {
  chosenManifest,
  maxDocumentBytes,
  parseDocument,
  refuseNesting,
  refused,
  type Descriptor,
} from './document.js';
import { isGzip, readTarLayer } from './tar-layer.js';

/** An artifact that lies in files, and what it is called there. */
export interface StoredArtifact {
  readonly artifact: Artifact;
  /** A reference, or only its tag; undefined where nothing was written down. */
  readonly name: string | undefined;
}

/** Files by the names that they have in a layout or archive. */
interface Files {
  /** How errors call the whole. */
  readonly label: string;
  /** Absolute path; undefined where there is no such file. */
  path(name: string): Promise<string | undefined>;
}

/** Largest file of an archive, in bytes. */
const maxFileBytes = 2 * 1024 * 1024 * 1024;

/** Whether a directory is an OCI image layout, such as `oras copy --to-oci-layout` or `skopeo copy ... oci:DIR` make. */
export const isLayout = (directory: string): Promise<boolean> => isRegularFile(join(directory, 'oci-layout'));

/** @throws PlugferryError `E_SOURCE`, `E_DIGEST`, `E_IO`. */
export async function layoutArtifacts(directory: string, signal?: AbortSignal): Promise<StoredArtifact[]> {
  const files: Files = {
    label: directory,
    path: async (name) =>
      (await isRegularFile(join(directory, name))) ? realpath(join(directory, name)) : undefined,
  };
  return indexed(files, signal);
}

/**
 * The artifacts of an archive that `docker save`, `skopeo copy ... docker-archive:` or `oci-archive:` made, compressed with gzip
 * or not.
 *
 * @param copies where the parts of the archive are put; whoever owns it removes them.
 * @throws PlugferryError `E_SOURCE`, `E_DIGEST`, `E_LIMIT`, `E_NO_SPACE`, `E_IO`.
 */
export async function archivedArtifacts(
  archive: string,
  copies: PrivateDirectory,
  signal?: AbortSignal,
): Promise<StoredArtifact[]> {
  const entries = await readTarLayer(archive, {
    label: archive,
    copies,
    limit: maxFileBytes,
    signal,
    want: ({ name, type }) =>
      type === 'file' &&
      /^(?:manifest\.json|index\.json|[0-9a-f]{64}\.json|blobs\/sha256\/[0-9a-f]{64}|[^/]+\/layer\.tar|[^/]+\.tar)$/.test(
        name,
      ),
  });
  const paths = new Map(entries.map(({ name, path }) => [name, path]));
  const files: Files = { label: archive, path: async (name) => paths.get(name) };
  const digests = new Map(entries.map(({ name, sha256 }) => [name, `sha256:${sha256}`]));
  if (paths.has('index.json')) return indexed(files, signal);
  if (paths.has('manifest.json')) return saved(files, digests);
  throw new PlugferryError(
    'E_SOURCE',
    `${archive} is a tar archive, but neither of images nor of OCI artifacts`,
    {
      hint: 'Expected is a bundle, or what "docker save" or "skopeo copy ... oci-archive:FILE" writes.',
      details: { file: archive, expected: 'index.json or manifest.json' },
    },
  );
}

async function indexed(files: Files, signal?: AbortSignal): Promise<StoredArtifact[]> {
  const path = await files.path('index.json');
  const label = `${files.label}: index.json`;
  if (path === undefined) throw refused(label, 'does not exist');
  const document = parseDocument(await readSmallFile(path, 'index', maxDocumentBytes), undefined, label);
  if (document.kind !== 'list') throw refused(label, 'is no list of manifests');
  const stored: StoredArtifact[] = [];
  for (const descriptor of document.manifests) {
    const { annotations } = descriptor;
    const name = annotations['io.containerd.image.name'] ?? annotations['org.opencontainers.image.ref.name'];
    stored.push({ artifact: await artifactAt(descriptor, { files, lists: 0, signal }), name });
  }
  return stored;
}

interface Search {
  readonly files: Files;
  /** How many lists of manifests led here, `index.json` not counted. */
  readonly lists: number;
  readonly signal: AbortSignal | undefined;
}

async function artifactAt(descriptor: Descriptor, { files, lists, signal }: Search): Promise<Artifact> {
  const label = `${files.label}: ${descriptor.digest}`;
  // A thousand of them may be named, and each is hashed.
  if (descriptor.size > maxDocumentBytes)
    throw refused(label, `has ${descriptor.size} bytes, expected at most ${maxDocumentBytes}`);
  const path = await provedBlob(descriptor, files, signal);
  const bytes = await readSmallFile(path, 'manifest', maxDocumentBytes);
  const document = parseDocument(bytes, descriptor.mediaType, label);
  if (document.kind === 'list') {
    refuseNesting(lists, label);
    const inner = await artifactAt(chosenManifest(document.manifests, label), {
      files,
      lists: lists + 1,
      signal,
    });
    return { ...inner, digest: descriptor.digest };
  }
  return {
    form: document.form,
    isImage: document.isImage,
    digest: descriptor.digest,
    layers: document.layers.map((layer) => layerAt(layer, files)),
  };
}

const layerAt = (descriptor: Descriptor, files: Files): Layer => ({
  mediaType: descriptor.mediaType,
  digest: descriptor.digest,
  size: descriptor.size,
  label: `${files.label}: ${descriptor.digest}`,
  fetch: (signal) => provedBlob(descriptor, files, signal),
});

async function provedBlob({ digest, size }: Descriptor, files: Files, signal?: AbortSignal): Promise<string> {
  const label = `${files.label}: ${digest}`;
  const path = await files.path(`blobs/${digest.replace(':', '/')}`);
  if (path === undefined) throw refused(label, 'is named by a manifest and not there');
  const hash = createHash('sha256');
  let found = 0;
  try {
    await pipeline(
      createReadStream(path, { highWaterMark: 256 * 1024 }),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          signal?.throwIfAborted();
          hash.update(chunk);
          found += chunk.length;
          if (found > size) break;
        }
      },
    );
  } catch (error) {
    throw ioError(error, path);
  }
  const sha256 = `sha256:${hash.digest('hex')}`;
  if (sha256 === digest && found === size) return path;
  const other = found > size ? `more than ${size} bytes` : `${sha256} of ${found} bytes`;
  throw damagedPart(label, `${digest} of ${size} bytes`, other);
}

/**
 * The older format of `docker save`: layers are tar archives by path, and their digests stand in the config, whose own digest is
 * the ID of the image.
 *
 * @param digests `sha256:...` of every file, by name.
 */
async function saved(files: Files, digests: ReadonlyMap<string, string>): Promise<StoredArtifact[]> {
  const path = (await files.path('manifest.json')) ?? '';
  const label = `${files.label}: manifest.json`;
  const bytes = await readSmallFile(path, 'manifest', maxDocumentBytes);
  const stored: StoredArtifact[] = [];
  for (const { Config: config, RepoTags: tags, Layers: layers } of imagesIn(bytes, label)) {
    const name = String(config);
    const id = digests.get(name);
    const stated = id === undefined ? [] : await layerDigests(name, id, files);
    stored.push({
      name: Array.isArray(tags) && typeof tags[0] === 'string' ? tags[0] : undefined,
      artifact: {
        form: 'docker',
        isImage: true,
        digest: id,
        layers: (Array.isArray(layers) ? layers : []).map((layer, index) => {
          const found = { name: String(layer), sha256: digests.get(String(layer)), stated: stated[index] };
          return savedLayer(found, files);
        }),
      },
    });
  }
  return stored;
}

/** `rootfs.diff_ids` of a config (OCI image specification, "OCI Image Configuration"): layers without compression. */
async function layerDigests(name: string, id: string, files: Files): Promise<unknown[]> {
  const label = `${files.label}: ${name}`;
  const stated = /([0-9a-f]{64})(?:\.json)?$/.exec(name)?.[1];
  if (stated !== undefined && id !== `sha256:${stated}`) throw damagedPart(label, `sha256:${stated}`, id);
  const path = (await files.path(name)) ?? '';
  try {
    const config = JSON.parse(String(await readSmallFile(path, 'config', maxDocumentBytes))) as unknown;
    const { rootfs } = config as { readonly rootfs: { readonly diff_ids: unknown } };
    if (Array.isArray(rootfs.diff_ids)) return rootfs.diff_ids as unknown[];
  } catch (cause) {
    if (isPlugferryError(cause)) throw cause;
  }
  throw refused(label, 'is no config of an image, which names its layers');
}

const damagedPart = (label: string, expected: string, found: string): PlugferryError =>
  new PlugferryError('E_DIGEST', `${label} is damaged: it is ${found}, expected ${expected}`, {
    hint: 'Copy it again from where it was made.',
    details: { file: label, expected, found },
  });

function imagesIn(bytes: Buffer, label: string): Record<string, unknown>[] {
  try {
    const images: unknown = JSON.parse(bytes.toString('utf8'));
    if (Array.isArray(images) && images.every((image) => typeof image === 'object' && image !== null))
      return images as Record<string, unknown>[];
  } catch (cause) {
    throw refused(label, 'is not JSON', cause);
  }
  throw refused(label, 'is no list of images');
}

interface SavedLayer {
  readonly name: string;
  readonly sha256: string | undefined;
  readonly stated: unknown;
}

const savedLayer = ({ name, sha256, stated }: SavedLayer, files: Files): Layer => ({
  mediaType: 'application/vnd.docker.image.rootfs.diff.tar',
  digest: undefined,
  size: undefined,
  label: `${files.label}: ${name}`,
  fetch: async () => {
    const label = `${files.label}: ${name}`;
    const path = await files.path(name);
    if (path === undefined || sha256 === undefined)
      throw refused(label, 'is a layer that is not there, or only as a link');
    // What is compressed has another digest than the config says, and a checksum of its own.
    if (typeof stated === 'string' && stated !== sha256 && !(await isGzip(path)))
      throw damagedPart(label, stated, sha256);
    return path;
  },
});
