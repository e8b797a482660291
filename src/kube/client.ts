import type { ClusterAccess } from './access.js';
import { Conversation, type ClientOptions } from './conversation.js';
import { fieldsAt, listAt, textAt, type Fields } from './fields.js';

/** A kind of object in a namespace of the core API. */
export interface Resource {
  /** Plural, lower case: `configmaps`. */
  readonly plural: string;
  readonly namespace: string;
}

/** A kind of object of an API group. */
export interface GroupResource {
  readonly group: string;
  readonly version: string;
  /** Lower case: `wasmplugins`. */
  readonly plural: string;
}

export interface ApplyOptions {
  /** Take fields over that other managers own. @default false */
  readonly force?: boolean;
  /** Under which name the server notes who owns the fields. @default {@link fieldManager} */
  readonly manager?: string;
  readonly signal?: AbortSignal | undefined;
}

/** Under which name the API server notes what we write (server-side apply). */
const fieldManager = 'plugferry';

/** Objects of one answer to a listing. */
const pageSize = 250;
/** Only names, labels and owners, not the megabytes (Kubernetes API: "Metadata-only fetches"). */
const metadataOnly = 'application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1';

/**
 * Objects of a cluster, by server-side apply.
 *
 * Every method throws PlugferryError: `E_NETWORK`, `E_LOGIN`, and what the server refuses, by its reason.
 */
export class KubeClient {
  /** The cluster, as messages name it. */
  readonly name: string;
  readonly #server: URL;
  readonly #conversation: Conversation;

  constructor(access: ClusterAccess, options: ClientOptions = {}) {
    this.name = access.name;
    this.#server = access.server;
    this.#conversation = new Conversation(access, options);
  }

  /** One object; undefined where there is none. */
  async get(resource: Resource, name: string, signal?: AbortSignal): Promise<Fields | undefined> {
    return this.#conversation.ask({
      method: 'GET',
      url: this.#url(resource, name),
      what: whatOf(resource, name),
      signal,
      absent: true,
    });
  }

  /** The metadata of the objects with a label. */
  async list(resource: Resource, labelSelector: string, signal?: AbortSignal): Promise<readonly Fields[]> {
    const items: Fields[] = [];
    const what = `${resource.plural} in namespace ${resource.namespace}`;
    for (let next = ''; ;) {
      const query = { labelSelector, limit: String(pageSize), ...(next === '' ? {} : { continue: next }) };
      const url = this.#url(resource, undefined, query);
      const page = await this.#conversation.ask({ method: 'GET', url, what, signal, accept: metadataOnly });
      items.push(...listAt(page, 'items'));
      next = textAt(fieldsAt(page, 'metadata'), 'continue') ?? '';
      if (next === '') return items;
    }
  }

  /** All objects of a kind of an API group, whole, of every namespace. */
  async listGroup(path: GroupResource, signal?: AbortSignal): Promise<readonly Fields[]> {
    const { group, version, plural } = path;
    const items: Fields[] = [];
    for (let next = ''; ;) {
      const url = new URL(['apis', group, version, plural].map(encodeURIComponent).join('/'), this.#server);
      url.searchParams.set('limit', String(pageSize));
      if (next !== '') url.searchParams.set('continue', next);
      const page = await this.#conversation.ask({
        method: 'GET',
        url,
        what: `${plural} of ${group}`,
        signal,
      });
      items.push(...listAt(page, 'items'));
      next = textAt(fieldsAt(page, 'metadata'), 'continue') ?? '';
      if (next === '') return items;
    }
  }

  /**
   * Makes an object be as described, as far as it is described (server-side apply). A `resourceVersion` in its metadata must be
   * that of the object there.
   *
   * @returns the object as it is now.
   * @throws PlugferryError `E_CONFLICT` for fields of other managers and for what does not let itself be changed, `E_LOCKED`
   *   when the object is newer than that, `E_LIMIT`, `E_NO_SPACE`.
   */
  async apply(
    resource: Resource,
    object: Fields,
    { force = false, manager = fieldManager, signal }: ApplyOptions = {},
  ): Promise<Fields> {
    const name = textAt(fieldsAt(object, 'metadata'), 'name') ?? '';
    const query = { fieldManager: manager, force: String(force), fieldValidation: 'Strict' };
    return this.#conversation.ask({
      method: 'PATCH',
      url: this.#url(resource, name, query),
      what: whatOf(resource, name),
      type: 'application/apply-patch+yaml',
      body: Buffer.from(JSON.stringify(object)),
      signal,
    });
  }

  /** Removes one object, the very one with this uid; nothing happens where it is gone already. */
  async delete(
    resource: Resource,
    { name, uid }: { readonly name: string; readonly uid: string },
    signal?: AbortSignal,
  ): Promise<void> {
    await this.#conversation.ask({
      method: 'DELETE',
      url: this.#url(resource, name),
      what: whatOf(resource, name),
      type: 'application/json',
      body: Buffer.from(JSON.stringify({ apiVersion: 'v1', kind: 'DeleteOptions', preconditions: { uid } })),
      signal,
      absent: true,
    });
  }

  #url({ plural, namespace }: Resource, name?: string, query: Readonly<Record<string, string>> = {}): URL {
    const path = ['api', 'v1', 'namespaces', namespace, plural, ...(name === undefined ? [] : [name])];
    const url = new URL(path.map(encodeURIComponent).join('/'), this.#server);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }
}

const whatOf = ({ plural, namespace }: Resource, name: string): string =>
  `${plural}/${name} in namespace ${namespace}`;
