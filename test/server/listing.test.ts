import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { digestOf } from '../../src/stream/digest.js';
import { cataloguePage, pluginPage, pluginsPage, versionPage } from '../../src/server/listing.js';
import type { Page } from '../../src/server/page.js';
import type { ServedFile } from '../../src/server/served-file.js';
import type { ServedPlugin } from '../../src/server/tree.js';
import { get } from '../helpers/http.js';
import { running } from './running.js';
import { plainTree, samplePlugins, volume } from './trees.js';

interface Parsed {
  readonly links: readonly { readonly href: string; readonly text: string }[];
  readonly text: string;
}

const voidTags = new Set(['meta', 'br', 'hr']);

/** Reads a page strictly: every tag closed in its place, every attribute quoted, no stray markup, nothing that runs. */
function parse(html: string): Parsed {
  expect(html.startsWith('<!DOCTYPE html>\n<html lang="en">')).toBe(true);
  const open: string[] = [];
  const links: { href: string; text: string }[] = [];
  let text = '';
  const body = html.replace('<!DOCTYPE html>\n', '').replace(/<style>.*?<\/style>/s, '');
  for (const [token, closing, tag = '', attributes = ''] of body.matchAll(
    /<(\/)?([a-z][a-z0-9]*)((?: [a-z-]+="[^"<>]*")*)>|[^<>]+/g,
  )) {
    if (tag === '') {
      const content = unescape(token);
      text += content;
      if (open.at(-1) === 'a') links[links.length - 1]!.text += content;
    } else if (closing === '/') {
      expect(open.pop()).toBe(tag);
    } else {
      expect(['script', 'img', 'iframe', 'link', 'form', 'object']).not.toContain(tag);
      expect(attributes).not.toMatch(/ on[a-z]+=| style=/);
      if (!voidTags.has(tag)) open.push(tag);
      if (tag === 'a') links.push({ href: unescape(/href="([^"]*)"/.exec(attributes)?.[1] ?? ''), text: '' });
    }
  }
  expect(open).toEqual([]);
  expect(body.replace(/<(\/)?([a-z][a-z0-9]*)((?: [a-z-]+="[^"<>]*")*)>|[^<>]+/g, '')).toBe('');
  return { links, text };
}

const unescape = (text: string): string => {
  expect(text).not.toMatch(/&(?!#\d+;)/);
  return text.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
};

const pageOf = async (url: string, path: string): Promise<Parsed> =>
  parse((await get(url, path)).body.toString());

test('each directory lists what is in it, as relative links', async () => {
  const { url } = await running(await plainTree());
  const hrefs = async (path: string) => (await pageOf(url, path)).links.map(({ href }) => href);
  expect(await hrefs('/plugins/')).toEqual([
    '../',
    'ai-proxy/',
    'key-auth/',
    'index.json',
    'snapshot-inventory.json',
  ]);
  expect(await hrefs('/plugins/key-auth/')).toEqual(['../', '1.0.0/', '2.0.0/']);
  expect(await hrefs('/plugins/key-auth/1.0.0/')).toEqual(['../', 'metadata.txt', 'plugin.wasm']);
  expect(await hrefs('/plugins/key-auth/2.0.0/')).toEqual(['../', 'plugin.wasm']);
});

test('a crawl from / finds every file, and every link leads somewhere', async () => {
  for (const root of [await volume(), await plainTree()]) {
    const { url } = await running(root);
    const seen = new Set(['/']);
    for (const path of seen) {
      const reply = await get(url, path);
      expect([path, reply.status]).toEqual([path, 200]);
      if (reply.headers['content-type'] !== 'text/html; charset=utf-8') continue;
      for (const { href } of parse(reply.body.toString()).links) seen.add(new URL(href, url + path).pathname);
    }
    const files = Object.entries(samplePlugins).flatMap(([id, content]) =>
      Object.keys(content).map((name) => `/plugins/${id}/${name}`),
    );
    expect([...seen]).toEqual(expect.arrayContaining([...files, '/plugins/index.json']));
  }
});

test('the catalogue names every version with size and SHA-256', async () => {
  const { url } = await running(await volume());
  const { text } = await pageOf(url, '/');
  const { size, sha256 } = digestOf(samplePlugins['ai-proxy/2.0.1']!['plugin.wasm'] as Buffer);
  expect(size).toBe(700_000);
  for (const expected of ['ai-proxy', '2.0.1', '683.6 KiB', sha256, '3 plugin versions.']) {
    expect(text).toContain(expected);
  }
});

test('a browser may apply the style sheet of the page and nothing else', async () => {
  const { url } = await running(await plainTree());
  for (const path of ['/', '/plugins/', '/plugins/key-auth/']) {
    const { headers, body } = await get(url, path);
    const style = /<style>(.*?)<\/style>/s.exec(body.toString())?.[1] ?? '';
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers['content-security-policy']).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    );
    expect(body.toString()).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
    expect(style).toContain('color-scheme: light dark');
  }
});

test('a page is asked about by its tag and changes it with its content', async () => {
  const [one, two] = [await running(await plainTree()), await running(await volume())];
  const first = await get(one.url, '/');
  expect((await get(one.url, '/', { 'if-none-match': String(first.headers.etag) })).status).toBe(304);
  expect((await get(two.url, '/')).headers.etag).not.toBe(first.headers.etag);
});

test('names are text, whatever is in them', () => {
  const name = `"><script>alert('1')</script>&amp;`;
  const file: ServedFile = {
    path: '/x',
    root: '/',
    type: 'application/wasm',
    digest: digestOf(Buffer.from('x')),
    modified: 0,
    pinned: true,
    facts: { dev: 0n, ino: 0n, size: 0n, mtimeNs: 0n, ctimeNs: 0n },
  };
  const plugin: ServedPlugin = { id: { name, version: name }, files: new Map([['plugin.wasm', file]]) };
  const tree = { release: name, plugins: [plugin], inventory: undefined, notes: [] };
  const pages: Page[] = [
    cataloguePage(tree),
    pluginsPage(new Map([[name, [plugin]]])),
    pluginPage(name, [plugin]),
    versionPage(plugin),
  ];
  for (const page of pages) {
    const { links, text } = parse(page().body.toString());
    expect(text).toContain(name);
    expect(links.length).toBeGreaterThan(0);
  }
});

test('an empty catalogue says so', () => {
  const page = cataloguePage({ release: undefined, plugins: [], inventory: undefined, notes: [] });
  expect(parse(page().body.toString()).text).toContain('Nothing is served here yet.');
});
