import type { Progress } from '../stream/progress.js';

/** What a manifest lists, wherever it lies: in a registry, in a layout on disk, or in an archive. */
export interface Artifact {
  /** Whose manifest it is: the gateway treats the two differently. */
  readonly form: 'docker' | 'oci';
  /** `sha256:` and 64 hex characters of the manifest, or of the list of manifests that was asked for; undefined where there is none. */
  readonly digest: string | undefined;
  /** Whether its config is that of a container, as images and what `docker build` makes have it. */
  readonly isImage: boolean;
  /** In the order of the manifest. */
  readonly layers: readonly Layer[];
}

export interface Layer {
  readonly mediaType: string;
  /** `sha256:` and 64 hex characters; undefined in archives of old Docker versions, which name none. */
  readonly digest: string | undefined;
  /** Bytes as they are stored; undefined where only reading shows it. */
  readonly size: number | undefined;
  /** How errors call it. */
  readonly label: string;
  /** Puts the bytes into a file, proved against size and digest. Asked twice, it hands out the same file. */
  fetch(signal?: AbortSignal, progress?: Progress): Promise<string>;
}

/** Media types of layers that are file systems in a tar archive, and whether that is compressed. */
const tarTypes: Readonly<Record<string, 'docker' | 'oci'>> = {
  'application/vnd.docker.image.rootfs.diff.tar.gzip': 'docker',
  'application/vnd.docker.image.rootfs.diff.tar': 'docker',
  'application/vnd.oci.image.layer.v1.tar+gzip': 'oci',
  'application/vnd.oci.image.layer.v1.tar': 'oci',
};

/** A module as it is. */
export const moduleLayerType = 'application/vnd.module.wasm.content.layer.v1+wasm';

export const isTarLayer = ({ mediaType }: Pick<Layer, 'mediaType'>): boolean =>
  Object.hasOwn(tarTypes, mediaType);
