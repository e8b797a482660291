import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layOut, type PackedPlugin } from '../../src/bundle/build-manifest.js';
import { parseManifest } from '../../src/bundle/manifest.js';
import { isPlugferryError } from '../../src/errors.js';
import { digestOf } from '../../src/stream/digest.js';
import { parsePluginPath } from '../../src/plugin/layout.js';
import { formatPluginId, isPluginName, isPluginVersion, type PluginId } from '../../src/plugin/plugin.js';
import type { Manifest } from '../../src/schema/manifest.js';
import { documentBytes } from '../../src/schema/parse.js';
import { testLabel } from '../helpers/bundle.js';

/** A plugin as the writer takes it; equal `content` stands for equal modules. */
function packed(id: PluginId, content: string): PackedPlugin {
  const wasm = digestOf(Buffer.from(content));
  return {
    ...id,
    wasm,
    metadata: Buffer.from(content),
    facts: {
      abi: ['proxy_abi_version_0_2_1'],
      start: ['_initialize'],
      toolchain: 'TinyGo 0.34.0',
      imports: [{ module: 'env', names: ['proxy_log'] }],
      exports: ['_initialize', 'memory'],
    },
    provenance: { kind: 'directory', reference: `plugins/${id.name}`, digest: `sha256:${wasm.sha256}` },
  };
}

/** A manifest with this many versions of two plugins, some of them with equal modules. */
function honest(versions: number): Manifest {
  const plugins = ['key-auth', 'waf'].flatMap((name) =>
    Array.from({ length: versions }, (_, index) =>
      packed({ name, version: `1.${index}.0` }, `${name} ${Math.floor(index / 2)}`),
    ),
  );
  const label = { ...testLabel, audience: ['prod', 'test'], expiresAt: '2036-01-01T00:00:00Z' };
  return layOut(plugins, label).manifest;
}

/** The manifest, or the code with which the bytes are refused. Any other failure is thrown. */
function parsed(bytes: Buffer): Manifest | string {
  try {
    return parseManifest(bytes);
  } catch (error) {
    if (isPlugferryError(error)) return error.code;
    throw error;
  }
}

const refusals = ['E_MANIFEST', 'E_LIMIT', 'E_FORMAT_VERSION'];

/** Whatever is accepted keeps the promises that the code behind it builds on. */
function expectSound(manifest: Manifest, bytes: Buffer): void {
  expect(documentBytes(manifest).equals(bytes)).toBe(true);
  const paths = manifest.files.map((file) => file.path);
  expect(new Set(paths.map((path) => path.toLowerCase())).size).toBe(paths.length);
  expect(paths.slice(0, 2)).toEqual(['checksums.md5', 'checksums.sha256']);
  for (const path of paths.slice(2)) expect(parsePluginPath(path)).toBeDefined();
  for (const [index, { sameAs, ...file }] of manifest.files.entries()) {
    if (sameAs === undefined) continue;
    expect(sameAs.length).toBeLessThanOrEqual(100);
    expect(manifest.files.slice(0, index)).toContainEqual({ ...file, path: sameAs });
  }
  expect(manifest.files.reduce((sum, { size }) => sum + size, 0)).toBe(manifest.totalSize);
  // No text in it can do anything to a terminal or a log.
  expect(JSON.stringify(manifest, undefined, 0)).toMatch(/^[\x20-\x7e]*$/);
}

/** A place in a JSON value: an object or list, and a key of it. */
type Place = readonly [node: Record<string, unknown>, key: string];

function places(node: unknown): Place[] {
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node).flatMap(([key, value]) => [
    [node as Record<string, unknown>, key] as const,
    ...places(value),
  ]);
}

type Edit = (manifest: Manifest, all: readonly Place[], at: number) => void;

/** Values that come near to what is expected, or far from it. */
const value = fc.oneof(
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(
    '',
    '../x',
    '__proto__',
    '\u001b[2J',
    'plugins/waf/1.0.0/plugin.wasm',
    'edge',
    '2026-02-30T00:00:00Z',
    '\ud800',
  ),
  fc.constantFrom(0, -1, 1, 0.5, 2 ** 53, 1e300, 256 * 1024 * 1024, 10_000),
);

const edits: fc.Arbitrary<Edit> = fc.oneof(
  value.map((next): Edit => (_manifest, all, at) => {
    const [node, key] = all[at % all.length]!;
    node[key] = next;
  }),
  fc.constant<Edit>((_manifest, all, at) => {
    const [node, key] = all[at % all.length]!;
    if (Array.isArray(node)) node.splice(Number(key), 1);
    else Reflect.deleteProperty(node, key);
  }),
  // Another value of the same manifest.
  fc.nat().map((from): Edit => (_manifest, all, at) => {
    const [node, key] = all[at % all.length]!;
    const [source, sourceKey] = all[from % all.length]!;
    node[key] = structuredClone(source[sourceKey]);
  }),
  // One more of a list, or a key that does not belong there.
  fc
    .tuple(fc.constantFrom('x', '__proto__', 'constructor', 'sameAs', '0', 'toJSON'), value)
    .map(([extra, next]): Edit => (_manifest, all, at) => {
      const [node, key] = all[at % all.length]!;
      if (Array.isArray(node)) node.push(structuredClone(node[Number(key)]));
      else
        Object.defineProperty(node, extra, {
          value: next,
          enumerable: true,
          configurable: true,
          writable: true,
        });
    }),
  // A text with one character more.
  fc
    .tuple(fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }))
    .map(([where, character]): Edit => (_manifest, all, at) => {
      const texts = all.filter(([node, key]) => typeof node[key] === 'string');
      const [node, key] = texts[at % texts.length] ?? all[0]!;
      const text = String(node[key]);
      const cut = where % (text.length + 1);
      node[key] = text.slice(0, cut) + character + text.slice(cut);
    }),
);

describe('parseManifest', () => {
  test('takes what the writer writes', () => {
    for (const versions of [1, 2, 5]) {
      const manifest = honest(versions);
      expect(parsed(documentBytes(manifest))).toEqual(manifest);
    }
  });

  test('takes what the writer makes of any plugins, equal modules under long names included', () => {
    const id = fc.record({
      name: fc.stringMatching(/^[a-z0-9][a-z0-9-]{0,61}[a-z0-9]$/),
      version: fc.stringMatching(/^[0-9][0-9a-z.+-]{0,62}[0-9a-z]$/),
      wasm: fc.constantFrom('one', 'two'),
    });
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 1, selector: formatPluginId }), (ids) => {
        fc.pre(ids.every(({ name, version }) => isPluginName(name) && isPluginVersion(version)));
        const bytes = documentBytes(
          layOut(
            ids.map((one) => packed(one, one.wasm)),
            testLabel,
          ).manifest,
        );
        const outcome = parsed(bytes);
        expect(outcome).toBeTypeOf('object');
        expectSound(outcome as Manifest, bytes);
      }),
    );
  });

  test('of a changed value: refuses it in an orderly way, or takes it as it stands', () => {
    let accepted = 0;
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3 }),
        fc.array(fc.tuple(edits, fc.nat()), { minLength: 1, maxLength: 3 }),
        (versions, steps) => {
          const manifest = honest(versions);
          for (const [edit, at] of steps) edit(manifest, places(manifest), at);
          const bytes = documentBytes(manifest);
          const outcome = parsed(bytes);
          if (typeof outcome === 'string') {
            expect(refusals).toContain(outcome);
            return;
          }
          accepted += 1;
          expectSound(outcome, bytes);
        },
      ),
      { numRuns: 2000 },
    );
    expect(accepted).toBeGreaterThan(20);
  });

  test('of changed bytes: refuses them in an orderly way, or takes them as they stand', () => {
    const text = documentBytes(honest(1));
    fc.assert(
      fc.property(
        fc.array(
          fc.record({
            at: fc.nat(),
            remove: fc.integer({ min: 0, max: 4 }),
            insert: fc.oneof(
              fc.uint8Array({ maxLength: 3 }),
              fc.constantFrom(
                '0',
                'e3',
                '.0',
                '-',
                '"',
                ',',
                '{',
                '}',
                '[',
                ']',
                ':',
                '\\',
                '\\u0061',
                '\n',
                ' ',
                '\ufeff',
              ),
            ),
          }),
          { minLength: 1, maxLength: 3 },
        ),
        (steps) => {
          const changed = steps.reduce((bytes, { at, remove, insert }) => {
            const start = at % (bytes.length + 1);
            return Buffer.concat([
              bytes.subarray(0, start),
              Buffer.from(insert),
              bytes.subarray(start + remove),
            ]);
          }, text);
          const outcome = parsed(changed);
          if (typeof outcome === 'string') expect(refusals).toContain(outcome);
          else expectSound(outcome, changed);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('of any bytes: refuses them in an orderly way', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.json().map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          expect(refusals).toContain(parsed(Buffer.from(bytes)));
        },
      ),
    );
  });
});
