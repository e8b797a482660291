import { execFileSync, spawnSync } from 'node:child_process';
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { renderDeployment, type DeploymentPlan, type KubeObject } from '../../src/index.js';
import { parseYaml } from '../../src/schema/yaml.js';
import { cli, errorCode } from '../helpers/cli.js';
import { get } from '../helpers/http.js';
import { hasKubectl, readByKubectl } from '../helpers/kubectl.js';
import { startServe } from '../helpers/server.js';
import { tempDir, treeOf } from '../helpers/temp.js';
import { tinyTree } from '../helpers/tree.js';
import { tinyModule } from '../helpers/wasm.js';

const examples = join(import.meta.dirname, '../../examples/kubernetes');
const readme = await readFile(join(examples, 'README.md'), 'utf8');
const image = 'registry.example/plugferry:0.1.0';

const plan: DeploymentPlan = {
  name: 'higress-plugin-server',
  namespace: 'higress-system',
  image,
  replicas: 2,
  volume: { kind: 'claim', name: 'plugins' },
  serviceMonitor: false,
};

/** The plans that differ in kind. */
const plans: Readonly<Record<string, DeploymentPlan>> = {
  claim: plan,
  'new claim, policy, monitor': {
    ...plan,
    volume: { kind: 'new-claim', size: '5Gi', storageClass: 'nfs' },
    allowFrom: ['monitoring', 'gateways'],
    serviceMonitor: true,
  },
  fetched: {
    ...plan,
    volume: { kind: 'pod' },
    bundle: 'https://files.example/edge.tar.gz',
    trust: { kind: 'store', configMap: 'plugferry-trust' },
    allowFrom: [],
  },
  'ConfigMaps, one replica': {
    ...plan,
    replicas: 1,
    // Names that YAML 1.1 takes for something else.
    name: 'on',
    namespace: '1e3',
    volume: { kind: 'config-maps', names: ['no', '0x10', '12'] },
    trust: { kind: 'keys', configMap: 'yes', files: ['dev.pub', 'qa.pub'] },
  },
};

interface Container {
  readonly args: readonly string[];
  readonly image: string;
  readonly ports?: readonly { readonly name: string; readonly containerPort: number }[];
  readonly resources: { readonly requests: object; readonly limits: object };
  readonly securityContext: object;
  readonly volumeMounts: readonly {
    readonly name: string;
    readonly mountPath: string;
    readonly readOnly?: boolean;
  }[];
  readonly startupProbe: { readonly httpGet: { readonly path: string; readonly port: string } };
  readonly readinessProbe: Container['startupProbe'];
  readonly livenessProbe: Container['startupProbe'];
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
}

interface PodSpec {
  readonly containers: readonly [Container];
  readonly initContainers?: readonly Container[];
  readonly securityContext: Readonly<Record<string, unknown>>;
  readonly automountServiceAccountToken: boolean;
  readonly volumes: readonly Readonly<Record<string, unknown>>[];
  readonly affinity: object;
}

interface DeploymentSpec {
  readonly replicas: number;
  readonly selector: { readonly matchLabels: Readonly<Record<string, string>> };
  readonly template: {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: PodSpec;
  };
}

const one = (objects: readonly KubeObject[], kind: string): KubeObject =>
  objects.find((object) => object.kind === kind)!;
const podOf = (objects: readonly KubeObject[]): PodSpec =>
  (one(objects, 'Deployment').spec as DeploymentSpec).template.spec;

describe('render deployment', () => {
  test('stands where the gateway looks for the official plugin server', () => {
    const { objects } = renderDeployment(plan);
    // What Console, controller and WasmPlugins of a Higress installation have in them.
    const url = new URL('http://higress-plugin-server.higress-system.svc/plugins/key-auth/1.0.0/plugin.wasm');
    const service = one(objects, 'Service');
    expect(url.hostname).toBe(`${service.metadata.name}.${service.metadata.namespace}.svc`);
    const { ports, selector } = service.spec as {
      ports: { port: number; targetPort: string }[];
      selector: Record<string, string>;
    };
    expect(url.port === '' ? 80 : Number(url.port)).toBe(ports[0]!.port);
    const { template, replicas } = one(objects, 'Deployment').spec as DeploymentSpec;
    expect(replicas).toBe(2);
    expect(template.metadata.labels).toMatchObject(selector);
    const [server] = template.spec.containers;
    expect(server.ports).toContainEqual({ name: ports[0]!.targetPort, containerPort: 8080, protocol: 'TCP' });
    expect(server.args.slice(-4)).toEqual(['--host', '0.0.0.0', '--port', '8080']);
  });

  test.each(Object.entries(plans))(
    '%s: everything selects the same pods, under the same name',
    (_what, each) => {
      const { objects } = renderDeployment(each);
      const { selector, template } = one(objects, 'Deployment').spec as DeploymentSpec;
      expect(template.metadata.labels).toMatchObject(selector.matchLabels);
      for (const { kind, metadata, spec } of objects) {
        expect([metadata.name, metadata.namespace]).toEqual([each.name, each.namespace]);
        const labels = selector.matchLabels;
        if (kind === 'Service') expect(spec).toMatchObject({ selector: labels });
        if (kind === 'PodDisruptionBudget')
          expect(spec).toMatchObject({ selector: { matchLabels: labels }, maxUnavailable: 1 });
        if (kind === 'NetworkPolicy') expect(spec).toMatchObject({ podSelector: { matchLabels: labels } });
        if (kind === 'ServiceMonitor') {
          expect(spec).toMatchObject({
            selector: { matchLabels: labels },
            endpoints: [{ path: '/metrics', port: 'http' }],
          });
          expect(metadata.labels).toMatchObject(labels);
        }
      }
    },
  );

  test.each(Object.entries(plans))('%s: pods meet the restricted pod security standard', (_what, each) => {
    const pod = podOf(renderDeployment(each).objects);
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(pod.automountServiceAccountToken).toBe(false);
    const containers = [...(pod.initContainers ?? []), ...pod.containers];
    expect(containers).toHaveLength(each.bundle === undefined ? 1 : 2);
    const volumes = pod.volumes.map(({ name }) => name);
    for (const container of containers) {
      expect(container.image).toBe(each.image);
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(Object.keys(container.resources.requests)).toEqual(['cpu', 'memory']);
      expect(Object.keys(container.resources.limits)).toEqual(['memory']);
      for (const { name } of container.volumeMounts) expect(volumes).toContain(name);
      // Only an import writes.
      const plugins = container.volumeMounts.find(({ name }) => name === 'plugins');
      expect(plugins?.readOnly ?? false).toBe(container.args[0] === 'serve');
    }
  });

  test('what checks signatures is given whose count; every place that it names is mounted', () => {
    const fetched = podOf(renderDeployment(plans['fetched']!).objects);
    expect(fetched.initContainers?.[0]?.args).toEqual([
      'import',
      'https://files.example/edge.tar.gz',
      '--to',
      '/srv/plugin-server',
      '--safe-directory',
      '/srv/plugin-server',
      '--trust',
      '/etc/plugferry/trust',
    ]);
    const { containers, volumes } = podOf(renderDeployment(plans['ConfigMaps, one replica']!).objects);
    expect(containers[0].args.slice(0, 7)).toEqual([
      'serve',
      '--from-configmaps',
      '/etc/plugferry/configmaps',
      '--public-key',
      '/etc/plugferry/trust/dev.pub',
      '--public-key',
      '/etc/plugferry/trust/qa.pub',
    ]);
    expect(containers[0].volumeMounts.map(({ mountPath }) => mountPath)).toEqual([
      '/etc/plugferry/configmaps',
      '/tmp',
      '/etc/plugferry/trust',
    ]);
    expect(volumes[0]).toEqual({
      name: 'plugins',
      projected: { sources: ['no', '0x10', '12'].map((name) => ({ configMap: { name } })) },
    });
  });

  test('its probes, its arguments and its wait before the end work with the real program', async () => {
    const [server] = podOf(renderDeployment(plan).objects).containers;
    const root = await tinyTree(await tempDir(), { 'key-auth@1.0.0': 'a' });
    const [verb, volume, ...args] = server.args;
    expect([verb, volume]).toEqual(['serve', '/srv/plugin-server']);
    const running = await startServe(
      root,
      args.map((word) => word.replace(/^8080$/, '0').replace('0.0.0.0', '127.0.0.1')),
    );
    try {
      for (const probe of [server.startupProbe, server.readinessProbe, server.livenessProbe]) {
        expect(probe.httpGet.port).toBe('http');
        await expect.poll(async () => (await get(running.url, probe.httpGet.path)).status).toBe(200);
      }
      const reply = await get(running.url, '/plugins/key-auth/1.0.0/plugin.wasm');
      expect(reply.body.equals(tinyModule('a', 2000))).toBe(true);
    } finally {
      await running.stop();
    }
    const [program, ...words] = server.lifecycle.preStop.exec.command;
    expect(program).toBe('node');
    const began = performance.now();
    expect(spawnSync(process.execPath, words).status).toBe(0);
    expect(performance.now() - began).toBeGreaterThan(4500);
  });

  test('without an import, nothing goes out; only the own and the named namespaces come in', () => {
    const policy = one(renderDeployment(plans['new claim, policy, monitor']!).objects, 'NetworkPolicy');
    expect(policy.spec).toMatchObject({
      policyTypes: ['Ingress', 'Egress'],
      ingress: [
        {
          from: [
            { podSelector: {} },
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'monitoring' } } },
            { namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': 'gateways' } } },
          ],
        },
      ],
    });
    const fetched = one(renderDeployment(plans['fetched']!).objects, 'NetworkPolicy');
    expect(fetched.spec).toMatchObject({ policyTypes: ['Ingress'] });
    expect(renderDeployment(plan).objects.map(({ kind }) => kind)).not.toContain('NetworkPolicy');
  });

  test.skipIf(!hasKubectl)('kubectl reads what was meant, odd names included', () => {
    for (const each of Object.values(plans)) {
      const { objects, yaml } = renderDeployment(each);
      // A ServiceMonitor is nothing that kubectl knows without a cluster.
      const known = objects.filter(({ kind }) => kind !== 'ServiceMonitor');
      const text = yaml
        .split('---\n')
        .filter((part) => !part.includes('ServiceMonitor'))
        .join('---\n');
      expect(readByKubectl(text)).toMatchObject(known);
    }
  });
});

describe('the command', () => {
  const render = (...args: string[]): ReturnType<typeof cli> => cli(['render', 'deployment', ...args]);

  test('prints on stdout what it hands out as JSON', async () => {
    const args = ['--image', image, '--claim', 'plugins', '--service-monitor'];
    const text = await render(...args);
    expect(text).toMatchObject({ code: 0, stderr: '' });
    const { objects } = JSON.parse((await render(...args, '--json')).stdout) as { objects: unknown[] };
    const context = { file: 'stdout', code: 'E_USAGE', hint: '' } as const;
    expect(parseYaml(text.stdout, context).map(({ value }) => value)).toEqual(objects);
  });

  test.each<[string, string[], string]>([
    ['nothing to serve from', ['--image', 'x'], 'claim'],
    ['two places', ['--image', 'x', '--claim', 'a', '--claim-size', '1Gi'], '--claim-size'],
    ['ConfigMaps without trust', ['--image', 'x', '--configmap', 'edge'], 'trust'],
    ['an import without trust', ['--image', 'x', '--import', 'http://h/b'], 'trust'],
    ['trust that nobody asks', ['--image', 'x', '--claim', 'a', '--trust-configmap', 't'], 'trust'],
    [
      'both kinds of trust',
      [
        '--image',
        'x',
        '--configmap',
        'e',
        '--trust-configmap',
        't',
        '--public-key-configmap',
        'k',
        '--public-key-file',
        'f',
      ],
      'contradict',
    ],
    [
      'keys without names',
      ['--image', 'x', '--configmap', 'e', '--public-key-configmap', 'k'],
      '--public-key-file',
    ],
    ['a login in a URL', ['--image', 'x', '--import', 'http://u:p@h/b', '--trust-configmap', 't'], 'login'],
    [
      'a variable in a URL',
      ['--image', 'x', '--import', 'http://h/$(HOME)', '--trust-configmap', 't'],
      'http',
    ],
    ['a path as a URL', ['--image', 'x', '--import', '/srv/b', '--trust-configmap', 't'], 'http'],
    ['a name with a line feed', ['--image', 'x', '--claim', 'a\nkind: Secret'], 'claim'],
    ['an image that is an option', ['--image=--privileged', '--claim', 'a'], 'image'],
    ['a name in upper case', ['--image', 'x', '--claim', 'a', '--name', 'Server'], 'name'],
    [
      'a path that leads out',
      ['--image', 'x', '--configmap', 'e', '--public-key-configmap', 'k', '--public-key-file', '../x'],
      'key',
    ],
    [
      'the same ConfigMap twice',
      ['--image', 'x', '--configmap', 'e', '--configmap', 'e', '--trust-configmap', 't'],
      'once',
    ],
    ['no replicas', ['--image', 'x', '--claim', 'a', '--replicas', '0'], 'replicas'],
    ['a size that is none', ['--image', 'x', '--claim-size', '5 GB'], 'size'],
    [
      'a namespace without a policy',
      ['--image', 'x', '--claim', 'a', '--allow-from', 'b'],
      '--network-policy',
    ],
  ])('%s is refused, with words', async (_what, args, says) => {
    const run = await render(...args, '--json');
    expect([run.code, errorCode(run)]).toEqual([2, 'E_USAGE']);
    expect(run.stderr).toContain(says);
  });

  test('replaces no file without --force, and then leaves everything as it was', async () => {
    const directory = await tempDir();
    await writeFile(join(directory, 'service.yaml'), 'mine');
    const args = ['--image', image, '--claim', 'plugins', '-o', directory];
    const run = await render(...args, '--json');
    expect([run.code, errorCode(run)]).toEqual([6, 'E_EXISTS']);
    expect(await treeOf(directory)).toEqual(new Map([['service.yaml', 'mine']]));
    expect((await render(...args, '--force')).code).toBe(0);
    expect((await readdir(directory)).sort()).toEqual([
      'deployment.yaml',
      'kustomization.yaml',
      'pod-disruption-budget.yaml',
      'service.yaml',
    ]);
  });
});

const written = [...readme.matchAll(/^plugferry (.*) -o (\w+)$/gm)].map(
  ([, line = '', directory = '']) => [directory, line.split(' ')] as const,
);

describe('examples/kubernetes', () => {
  test('names every directory in its README', async () => {
    const directories = (await readdir(examples, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name);
    expect([...written.map(([directory]) => directory), 'chart'].sort()).toEqual(directories.sort());
  });

  test.each(written)('%s is what the command line in the README writes', async (directory, args) => {
    const fresh = await tempDir();
    const run = await cli([...args, '-o', directory], { cwd: fresh });
    expect(run).toMatchObject({ code: 0 });
    expect(await treeOf(join(fresh, directory))).toEqual(await treeOf(join(examples, directory)));
  });

  test.skipIf(!hasKubectl).each(written)('%s is a base that kustomize builds', async (directory, args) => {
    const built = execFileSync('kubectl', ['kustomize', join(examples, directory)]).toString();
    const context = { file: directory, code: 'E_USAGE', hint: '' } as const;
    const found = parseYaml(built, context).map(({ value }) => value as KubeObject);
    const { objects } = JSON.parse((await cli([...args, '--json'])).stdout) as { objects: KubeObject[] };
    const byKind = (a: KubeObject, b: KubeObject): number => (a.kind < b.kind ? -1 : 1);
    expect(found.toSorted(byKind)).toEqual(objects.toSorted(byKind));
  });

  describe('the chart', () => {
    const all = { image: 'other.example/plugferry@sha256:' + 'a'.repeat(64), replicas: 3, claim: 'volume' };
    const settings = [
      ['as its values.yaml says', {}],
      ['with everything', { ...all, networkPolicy: true, serviceMonitor: true }],
      ['with a policy alone', { networkPolicy: true }],
    ] as const;

    /** What a chart of these values is to be. */
    const expected = (values: ChartValues): KubeObject[] => {
      const { networkPolicy, serviceMonitor, claim, ...rest } = values;
      return renderDeployment({
        ...plan,
        ...rest,
        namespace: 'gateways',
        volume: { kind: 'claim', name: claim },
        ...(networkPolicy ? { allowFrom: [] } : {}),
        serviceMonitor,
      }).objects as KubeObject[];
    };

    test.each(settings)('%s, gives the objects of render deployment', async (_what, changed) => {
      const values = { ...(await chartValues()), ...changed };
      const templates = join(examples, 'chart/templates');
      const objects: unknown[] = [];
      for (const file of await readdir(templates)) {
        const text = filled(await readFile(join(templates, file), 'utf8'), values);
        const context = { file, code: 'E_USAGE', hint: '' } as const;
        objects.push(...parseYaml(text, context).map(({ value }) => value));
      }
      expect(new Set(objects)).toEqual(new Set(expected(values)));
    });

    const hasHelm = spawnSync('helm', ['version']).status === 0;
    // eslint-disable-next-line no-console
    if (!hasHelm) console.warn('skipped: what helm makes of our chart. Install it: https://helm.sh');
    test.skipIf(!hasHelm).each(settings)('%s, is that for helm, too', async (_what, changed) => {
      const directory = await tempDir();
      await cp(join(examples, 'chart'), join(directory, 'chart'), { recursive: true });
      const values = { ...(await chartValues()), ...changed };
      await writeFile(join(directory, 'values.json'), JSON.stringify(values));
      const args = ['template', 'x', 'chart', '-n', 'gateways', '-f', 'values.json'];
      const text = execFileSync('helm', args, { cwd: directory }).toString();
      const context = { file: 'chart', code: 'E_USAGE', hint: '' } as const;
      expect(new Set(parseYaml(text, context).map(({ value }) => value))).toEqual(new Set(expected(values)));
    });
  });

  test('the Dockerfile has the files that the build makes, and starts what runs without root', async () => {
    const text = await readFile(join(examples, 'Dockerfile'), 'utf8');
    const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
    const valueOf = (word: string): string[] =>
      lines.filter((line) => line.startsWith(`${word} `)).map((line) => line.slice(word.length + 1));
    const copied = valueOf('COPY').map((line) => line.split(' ').slice(-2));
    const directory = await tempDir();
    await mkdir(join(directory, 'app'));
    for (const [from = '', to = ''] of copied) await cp(join(examples, '../..', from), join(directory, to));
    const { securityContext } = podOf(renderDeployment(plan).objects);
    expect(valueOf('USER')).toEqual([
      `${String(securityContext['runAsUser'])}:${String(securityContext['runAsGroup'])}`,
    ]);
    // No shell is in the image, so none may be needed.
    const [entry = []] = valueOf('ENTRYPOINT').map((line) => JSON.parse(line) as string[]);
    const [command = []] = valueOf('CMD').map((line) => JSON.parse(line) as string[]);
    const [check = []] = valueOf('HEALTHCHECK').map(
      (line) => JSON.parse(line.replace(/^.* CMD /, '')) as string[],
    );
    expect(entry[0]).toBe('/nodejs/bin/node');
    expect(check.slice(0, 2)).toEqual(entry);
    expect(valueOf('ENV').join()).toContain('PATH=/nodejs/bin:');
    expect(command).toEqual(podOf(renderDeployment(plan).objects).containers[0].args);
    const program = join(directory, entry[1] ?? '');
    const run = spawnSync(process.execPath, [program, '--version'], {
      env: {},
      cwd: directory,
      encoding: 'utf8',
    });
    expect(run).toMatchObject({ status: 0, stderr: '' });
    const asked = spawnSync(process.execPath, [program, ...check.slice(2), 'http://127.0.0.1:1/'], {
      env: {},
    });
    expect(asked.status).toBe(8);
  });
});

interface ChartValues {
  readonly image: string;
  readonly replicas: number;
  readonly claim: string;
  readonly networkPolicy: boolean;
  readonly serviceMonitor: boolean;
}

async function chartValues(): Promise<ChartValues> {
  const text = await readFile(join(examples, 'chart/values.yaml'), 'utf8');
  const [part] = parseYaml(text, { file: 'values.yaml', code: 'E_USAGE', hint: '' });
  return part!.value as ChartValues;
}

/** The little of helm's language that the chart is written in; anything else makes this fail. */
function filled(template: string, values: ChartValues): string {
  const known = { ...values } as Readonly<Record<string, unknown>>;
  const blocks = template.replaceAll(
    /^ *\{\{- if (not )?\.Values\.(\w+) \}\}\n(.*?)^ *\{\{- end \}\}\n/gms,
    (...[, not, name, body]: string[]) =>
      (known[name ?? ''] === true) === (not === undefined) ? (body ?? '') : '',
  );
  const text = blocks
    .replaceAll(/\{\{ \.Values\.(\w+) \| quote \}\}/g, (_all, name: string) => JSON.stringify(known[name]))
    .replaceAll(/\{\{ \.Values\.(\w+) \}\}/g, (_all, name: string) => String(known[name]))
    .replaceAll('{{ .Release.Namespace | quote }}', '"gateways"');
  expect(text).not.toContain('{{');
  return text;
}
