import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

type Fields = Record<string, unknown>;

/** One request as it arrived. */
export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly bytes: number;
}

/**
 * A stand-in for kube-apiserver, for ConfigMaps only. What it answers, statuses and messages included, is what kube-apiserver
 * 1.32.3 with etcd 3.4 answered; `PLUGFERRY_TEST_KUBECONFIG` runs the same tests against a real one.
 */
export interface ApiServer {
  readonly url: string;
  readonly requests: SeenRequest[];
  /** Full objects by `namespace/name`. A test may change them behind everybody's back. */
  readonly objects: Map<string, Fields>;
  /** Bearer tokens that may do everything, and those that may do nothing. */
  readonly tokens: Set<string>;
  readonly powerless: Set<string>;
  /** Runs before each request is answered; what it returns is the answer. */
  intercept: ((request: SeenRequest, response: ServerResponse) => Promise<boolean> | boolean) | undefined;
}

const maxBody = 3_145_728;
const maxValues = 1_048_576;
const nameRule = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const namespaces = ['default', 'higress-system'];

export async function startApiServer(): Promise<ApiServer> {
  const state: ApiServer = {
    url: '',
    requests: [],
    objects: new Map(),
    tokens: new Set(),
    powerless: new Set(),
    intercept: undefined,
  };
  const managers = new Map<string, Map<string, Set<string>>>();
  let version = 100;
  const server = createServer((request, response) => {
    void answer(request, response).catch((error: unknown) => {
      send(response, 500, status(500, undefined, String(error)));
    });
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://stand-in');
    const body = await bodyOf(request);
    const method = request.method ?? '';
    const { authorization } = request.headers;
    const seen = { method, path: url.pathname + url.search, authorization, bytes: body.length };
    state.requests.push(seen);
    if ((await state.intercept?.(seen, response)) === true) return;
    const [, namespace = '', name] =
      /^\/api\/v1\/namespaces\/([^/]+)\/configmaps(?:\/([^/]+))?$/.exec(url.pathname) ?? [];
    const token = authorization?.replace(/^Bearer /, '') ?? '';
    if (!state.tokens.has(token) && !state.powerless.has(token)) {
      send(response, 401, status(401, 'Unauthorized', 'Unauthorized'));
      return;
    }
    if (state.powerless.has(token)) {
      const verb = { GET: 'get', PATCH: 'patch', DELETE: 'delete' }[method] ?? method;
      const message = `configmaps "${name ?? ''}" is forbidden: User "reader" cannot ${verb} resource "configmaps" in API group "" in the namespace "${namespace}"`;
      send(response, 403, status(403, 'Forbidden', message));
      return;
    }
    if (body.length > maxBody) {
      send(
        response,
        413,
        status(413, 'RequestEntityTooLarge', `Request entity too large: limit is ${maxBody}`),
      );
      return;
    }
    const key = `${namespace}/${name ?? ''}`;
    const there = state.objects.get(key);
    if (method === 'GET' && name === undefined) {
      send(response, 200, listed(namespace, url.searchParams));
      return;
    }
    if (method === 'PATCH' && name !== undefined) {
      apply(response, {
        namespace,
        name,
        there,
        key,
        applied: JSON.parse(body.toString()) as Fields,
        query: url.searchParams,
      });
      return;
    }
    if (there === undefined) {
      send(response, 404, status(404, 'NotFound', `configmaps "${name ?? ''}" not found`));
      return;
    }
    if (method === 'GET') {
      send(response, 200, there);
      return;
    }
    if (method === 'DELETE') {
      const asked =
        body.length === 0 ? {} : (JSON.parse(body.toString()) as { preconditions?: { uid?: string } });
      const uid = metadataOf(there)['uid'];
      if (asked.preconditions?.uid !== undefined && asked.preconditions.uid !== uid) {
        const message = `Operation cannot be fulfilled on ConfigMap "${name ?? ''}": the UID in the precondition (${asked.preconditions.uid}) does not match the UID in record (${String(uid)}). The object might have been deleted and then recreated`;
        send(response, 409, status(409, 'Conflict', message));
        return;
      }
      state.objects.delete(key);
      managers.delete(key);
      send(response, 200, { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' });
      return;
    }
    send(response, 405, status(405, 'MethodNotAllowed', 'the server does not allow this method'));
  }

  function listed(namespace: string, query: URLSearchParams): Fields {
    const wanted = (query.get('labelSelector') ?? '').split(',').map((pair) => pair.split('='));
    const matching = [...state.objects]
      .filter(([key]) => key.startsWith(`${namespace}/`))
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => metadataOf(object))
      .filter((metadata) =>
        wanted.every(([label = '', value]) => (metadata['labels'] as Fields | undefined)?.[label] === value),
      );
    const from = Number(query.get('continue') ?? 0);
    const limit = Number(query.get('limit') ?? matching.length);
    const items = matching.slice(from, from + limit);
    return {
      kind: 'PartialObjectMetadataList',
      apiVersion: 'meta.k8s.io/v1',
      metadata: {
        resourceVersion: String(version),
        ...(from + limit < matching.length ? { continue: String(from + limit) } : {}),
      },
      items: items.map((metadata) => ({
        kind: 'PartialObjectMetadata',
        apiVersion: 'meta.k8s.io/v1',
        metadata,
      })),
    };
  }

  interface Application {
    readonly namespace: string;
    readonly name: string;
    readonly there: Fields | undefined;
    readonly key: string;
    readonly applied: Fields;
    readonly query: URLSearchParams;
  }

  /** Server-side apply: leaves of the object have owners, and a value that another one owns is a conflict. */
  function apply(
    response: ServerResponse,
    { namespace, name, there, key, applied, query }: Application,
  ): void {
    const manager = query.get('fieldManager') ?? '';
    const unknown = Object.keys(applied).find(
      (field) => !['apiVersion', 'kind', 'metadata', 'data', 'binaryData', 'immutable'].includes(field),
    );
    if (unknown !== undefined) {
      const message = `failed to create typed patch object (${key}; /v1, Kind=ConfigMap): .${unknown}: field not declared in schema`;
      send(response, 500, status(500, undefined, message));
      return;
    }
    if (!nameRule.test(name)) {
      send(
        response,
        422,
        status(
          422,
          'Invalid',
          `ConfigMap "${name}" is invalid: metadata.name: Invalid value: "${name}": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character`,
        ),
      );
      return;
    }
    if (there === undefined && !namespaces.includes(namespace)) {
      send(response, 404, status(404, 'NotFound', `namespaces "${namespace}" not found`));
      return;
    }
    // Against an object that is not there, a resourceVersion is overlooked.
    const expected = metadataOf(applied)['resourceVersion'];
    if (there !== undefined && expected !== undefined && expected !== metadataOf(there)['resourceVersion']) {
      const message = `Operation cannot be fulfilled on configmaps "${name}": the object has been modified; please apply your changes to the latest version and try again`;
      send(response, 409, status(409, 'Conflict', message));
      return;
    }
    const owners = structuredClone(managers.get(key) ?? new Map<string, Set<string>>());
    const now = leavesOf(there ?? {});
    const wanted = leavesOf(applied);
    const conflicts: Fields[] = [];
    for (const [path, value] of wanted) {
      for (const [other, owned] of owners) {
        if (other === manager || !owned.has(path) || now.get(path) === value) continue;
        if (query.get('force') === 'true') owned.delete(path);
        else
          conflicts.push({
            reason: 'FieldManagerConflict',
            message: `conflict with "${other}"`,
            field: `.${path.replaceAll('\0', '.')}`,
          });
      }
    }
    if (conflicts.length > 0) {
      const [{ message, field } = { message: '', field: '' }] = conflicts as {
        message: string;
        field: string;
      }[];
      const text = `Apply failed with ${conflicts.length} conflict${conflicts.length > 1 ? 's' : ''}: ${message}: ${field}`;
      send(response, 409, { ...status(409, 'Conflict', text), details: { causes: conflicts } });
      return;
    }
    const mine = owners.get(manager) ?? new Set<string>();
    for (const path of mine) {
      const elsewhere = [...owners].some(([other, owned]) => other !== manager && owned.has(path));
      if (!wanted.has(path) && !elsewhere) now.delete(path);
    }
    for (const [path, value] of wanted) now.set(path, value);
    owners.set(manager, new Set(wanted.keys()));
    const content = objectOf(now);
    const problem = problemOf(there, content);
    if (problem !== undefined) {
      send(response, 422, status(422, 'Invalid', `ConfigMap "${name}" is invalid: ${problem}`));
      return;
    }
    const isSame =
      there !== undefined &&
      [...leavesOf(there)].sort().join() === [...now].sort().join() &&
      sameOwners(managers.get(key), owners);
    if (isSame) {
      send(response, 200, there);
      return;
    }
    version += 1;
    const before = there === undefined ? undefined : metadataOf(there);
    const object = {
      kind: 'ConfigMap',
      apiVersion: 'v1',
      ...content,
      metadata: {
        name,
        namespace,
        uid: before?.['uid'] ?? randomUUID(),
        resourceVersion: String(version),
        creationTimestamp: before?.['creationTimestamp'] ?? new Date().toISOString().replace(/\.\d+/, ''),
        ...(content['metadata'] as Fields),
        managedFields: [...owners.keys()].map((each) => ({ manager: each, operation: 'Apply' })),
      },
    };
    state.objects.set(key, object);
    managers.set(key, owners);
    send(response, there === undefined ? 201 : 200, object);
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
        server.closeAllConnections();
      }),
  );
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

function problemOf(there: Fields | undefined, next: Fields): string | undefined {
  const texts = Object.values((next['data'] ?? {}) as Record<string, string>);
  const binaries = Object.values((next['binaryData'] ?? {}) as Record<string, string>);
  const bytes =
    texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0) +
    binaries.reduce((sum, text) => sum + Buffer.from(text, 'base64').length, 0);
  if (bytes > maxValues) return `[]: Too long: may not be more than ${maxValues} bytes`;
  if (there?.['immutable'] !== true) return undefined;
  for (const field of ['data', 'binaryData', 'immutable'])
    if (JSON.stringify(sortedOf(there[field])) !== JSON.stringify(sortedOf(next[field])))
      return `${field}: Forbidden: field is immutable when \`immutable\` is set`;
  return undefined;
}

const sortedOf = (value: unknown): unknown =>
  typeof value === 'object' && value !== null ? Object.entries(value).sort() : value;

const metadataOf = (object: Fields): Fields => (object['metadata'] ?? {}) as Fields;

/** What has an owner of its own, by its path: entries of maps, owner references by uid, and `immutable`. */
function leavesOf(object: Fields): Map<string, string> {
  const leaves = new Map<string, string>();
  const metadata = metadataOf(object);
  for (const field of ['data', 'binaryData'])
    for (const [key, value] of Object.entries((object[field] ?? {}) as Fields))
      leaves.set(`${field}\0${key}`, String(value));
  for (const field of ['labels', 'annotations'])
    for (const [key, value] of Object.entries((metadata[field] ?? {}) as Fields))
      leaves.set(`metadata\0${field}\0${key}`, String(value));
  for (const owner of (metadata['ownerReferences'] ?? []) as { uid: string }[])
    leaves.set(`metadata\0ownerReferences\0${owner.uid}`, JSON.stringify(owner));
  if (object['immutable'] !== undefined) leaves.set('immutable', JSON.stringify(object['immutable']));
  return leaves;
}

function objectOf(leaves: ReadonlyMap<string, string>): Fields {
  const metadata: Fields = {};
  const object: Fields = { metadata };
  for (const [path, value] of leaves) {
    const [first = '', second = '', third = ''] = path.split('\0');
    if (first === 'immutable') object['immutable'] = JSON.parse(value);
    else if (second === 'ownerReferences')
      metadata[second] = [...((metadata[second] ?? []) as Fields[]), JSON.parse(value) as Fields];
    else if (first === 'metadata')
      metadata[second] = { ...(metadata[second] as Fields | undefined), [third]: value };
    else object[first] = { ...(object[first] as Fields | undefined), [second]: value };
  }
  return object;
}

const sameOwners = (
  a: ReadonlyMap<string, Set<string>> | undefined,
  b: ReadonlyMap<string, Set<string>>,
): boolean =>
  a !== undefined &&
  JSON.stringify([...a].map(([name, paths]) => [name, [...paths].sort()]).sort()) ===
    JSON.stringify([...b].map(([name, paths]) => [name, [...paths].sort()]).sort());

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const status = (code: number, reason: string | undefined, message: string): Fields => ({
  kind: 'Status',
  apiVersion: 'v1',
  metadata: {},
  status: 'Failure',
  message,
  ...(reason === undefined ? {} : { reason }),
  code,
});

function send(response: ServerResponse, code: number, body: unknown): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(JSON.stringify(body));
}
