import { PlugferryError } from '../errors.js';

/** What a document says of bytes that lie elsewhere (OCI image specification 1.1, descriptor). */
export interface Descriptor {
  readonly mediaType: string;
  /** `sha256:` and 64 hex characters. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations: Readonly<Record<string, string>>;
  readonly platform: string | undefined;
}

/** A manifest, or a list of manifests. */
export type Document =
  | {
      readonly kind: 'manifest';
      readonly form: 'docker' | 'oci';
      readonly isImage: boolean;
      readonly layers: readonly Descriptor[];
    }
  | { readonly kind: 'list'; readonly manifests: readonly Descriptor[] };

const manifestTypes: Readonly<Record<string, 'docker' | 'oci'>> = {
  'application/vnd.docker.distribution.manifest.v2+json': 'docker',
  'application/vnd.oci.image.manifest.v1+json': 'oci',
};
const listTypes: readonly string[] = [
  'application/vnd.docker.distribution.manifest.list.v2+json',
  'application/vnd.oci.image.index.v1+json',
];

const imageConfigs: readonly unknown[] = [
  'application/vnd.docker.container.image.v1+json',
  'application/vnd.oci.image.config.v1+json',
];

/** What a registry is told that we understand. */
export const acceptedTypes = [...Object.keys(manifestTypes), ...listTypes].join(', ');

/** Larger manifests are refused by registries themselves (distribution specification 1.1: 4 MiB). */
export const maxDocumentBytes = 4 * 1024 * 1024;
/** Most layers, or manifests of a list. */
const maxDescriptors = 1000;
/** Most lists on the way to a manifest: one per platform is what the field has, one more is generosity. */
const maxLists = 2;

/**
 * Reads a manifest, or a list of manifests, by the type that it states.
 *
 * @param stated the media type under which it came; the document's own `mediaType` must not contradict it.
 * @throws PlugferryError `E_SOURCE` naming `file`.
 */
export function parseDocument(bytes: Uint8Array, stated: string | undefined, file: string): Document {
  const value = json(bytes, file);
  const own = typeof value['mediaType'] === 'string' ? value['mediaType'] : undefined;
  const type =
    own ?? knownType(stated) ?? (Array.isArray(value['manifests']) ? listTypes[1] : undefined) ?? '';
  if (own !== undefined && knownType(stated) !== undefined && own !== stated)
    throw refused(file, `calls itself ${own} and came as ${stated}`);
  if (listTypes.includes(type))
    return { kind: 'list', manifests: descriptorsIn(value['manifests'], 'manifests', file) };
  const form = Object.hasOwn(manifestTypes, type) ? manifestTypes[type] : undefined;
  const isOci = form === undefined && type === '' && value['schemaVersion'] === 2;
  if (form !== undefined || isOci)
    return {
      kind: 'manifest',
      form: form ?? 'oci',
      isImage: imageConfigs.includes(configType(value['config'])),
      layers: descriptorsIn(value['layers'], 'layers', file),
    };
  throw refused(file, type === '' ? 'is no manifest of version 2' : `is of type ${type}`);
}

const configType = (config: unknown): unknown =>
  typeof config === 'object' && config !== null && 'mediaType' in config ? config.mediaType : undefined;

const knownType = (type: string | undefined): string | undefined =>
  type !== undefined && (listTypes.includes(type) || Object.hasOwn(manifestTypes, type)) ? type : undefined;

function json(bytes: Uint8Array, file: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Record<string, unknown>;
  } catch (cause) {
    throw refused(file, 'is not JSON', cause);
  }
  throw refused(file, 'is not a JSON object');
}

function descriptorsIn(value: unknown, name: string, file: string): Descriptor[] {
  if (!Array.isArray(value)) throw refused(file, `has no ${name}`);
  if (value.length > maxDescriptors) throw refused(file, `has more than ${maxDescriptors} ${name}`);
  return value.map((each) => descriptorOf(each, file));
}

function descriptorOf(value: unknown, file: string): Descriptor {
  const { mediaType, digest, size, annotations, platform } = (value ?? {}) as Record<string, unknown>;
  if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof size !== 'number')
    throw refused(file, 'has an entry without mediaType, digest or size');
  if (!/^sha256:[0-9a-f]{64}$/.test(digest))
    throw refused(file, `names "${digest.slice(0, 100)}" as a digest`);
  if (!Number.isSafeInteger(size) || size < 0) throw refused(file, 'has an entry of an impossible size');
  const { os, architecture } = (platform ?? {}) as Record<string, unknown>;
  return {
    mediaType,
    digest,
    size,
    annotations: Object.fromEntries(
      Object.entries((annotations ?? {}) as Record<string, unknown>).map(([key, text]) => [
        key,
        String(text),
      ]),
    ),
    platform:
      typeof os === 'string'
        ? `${os}/${typeof architecture === 'string' ? architecture : 'unknown'}`
        : undefined,
  };
}

/**
 * The manifest of a list that the gateway would take: it asks for linux/amd64 wherever it runs (go-containerregistry's
 * default). What is no image, such as an attestation, does not count.
 *
 * @throws PlugferryError `E_SOURCE` where there is none.
 */
export function chosenManifest(manifests: readonly Descriptor[], file: string): Descriptor {
  const images = manifests.filter(({ platform }) => platform !== 'unknown/unknown');
  const [only] = images;
  const chosen =
    images.find(({ platform }) => platform === 'linux/amd64') ?? (images.length === 1 ? only : undefined);
  if (chosen !== undefined) return chosen;
  const found = images.map(({ platform }) => platform ?? 'no platform').join(', ');
  throw refused(file, `is a list without linux/amd64, which the gateway asks for: ${found || 'it is empty'}`);
}

/**
 * Refuses a list behind more lists than anybody needs: a registry could go on with them for ever.
 *
 * @param lists how many there were before it.
 * @throws PlugferryError `E_SOURCE`.
 */
export function refuseNesting(lists: number, file: string): void {
  if (lists >= maxLists)
    throw refused(file, `is a list of manifests inside ${lists} others, expected at most ${maxLists} in all`);
}

export const refused = (file: string, trouble: string, cause?: unknown): PlugferryError =>
  new PlugferryError('E_SOURCE', `${file} ${trouble}`, {
    hint: 'Expected is the manifest of an image or OCI artifact (Docker schema 2, OCI 1). Check the reference.',
    details: { file, expected: 'manifest', found: trouble },
    cause,
  });
