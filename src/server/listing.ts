import { createHash } from 'node:crypto';
import { formatBytes } from '../stream/text.js';
import { page, type Page } from './page.js';
import type { ServedPlugin, Tree } from './tree.js';

/*
 * Pages for people. Each is also an index in the manner of nginx's autoindex: the entries of the directory are links whose
 * href is relative to the page, directories with a final slash, so `wget -r` and older mirror scripts work on.
 */

const style = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .4rem 1rem .4rem 0; border-bottom: 1px solid #8886; }
code { font-size: .85rem; overflow-wrap: anywhere; }
td.size { white-space: nowrap; }
@media (max-width: 40rem) {
  thead { display: none; }
  tr { display: block; padding: .5rem 0; border-bottom: 1px solid #8886; }
  td { display: block; padding: 0; border: 0; }
}
`;

/** Nothing may run or load but this very style sheet, should a name ever get past the escaping. */
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(style).digest('base64')}'`,
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Text made safe between tags and in a quoted attribute. */
const escapeHtml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** A cell: plain text, or a link; `className` as in the style sheet. */
interface Cell {
  readonly text: string;
  readonly href?: string;
  readonly kind?: 'size' | 'code';
}

interface Content {
  readonly title: string;
  /** A sentence or two below the title. */
  readonly intro: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** Links below the table. */
  readonly links?: readonly string[];
}

const htmlPage = (make: () => Content): Page => page('text/html; charset=utf-8', () => html(make()), policy);

function html({ title, intro, columns, rows, links = [] }: Content): string {
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p>${escapeHtml(intro)}</p>
${rows.length > 0 ? table(columns, rows) : ''}
${links.map((link) => `<p><a href="${escapeHtml(link)}">${escapeHtml(link)}</a></p>`).join('\n')}
</main>
</body>
</html>
`;
}

const table = (columns: readonly string[], rows: Content['rows']): string => `<table>
<thead><tr>${columns.map((column) => `<th scope="col">${escapeHtml(column)}</th>`).join('')}</tr></thead>
<tbody>
${rows.map((row) => `<tr>${row.map(cell).join('')}</tr>`).join('\n')}
</tbody>
</table>`;

function cell({ text, href, kind }: Cell): string {
  const plain = escapeHtml(text);
  const linked = href === undefined ? plain : `<a href="${escapeHtml(href)}">${plain}</a>`;
  if (kind === 'code') return `<td><code>${linked}</code></td>`;
  return kind === 'size' ? `<td class="size">${linked}</td>` : `<td>${linked}</td>`;
}

const entry = (name: string): Cell => ({ text: name, href: name });
const count = (amount: number, noun: string): string => `${amount} ${noun}${amount === 1 ? '' : 's'}`;

/** Size and SHA-256 of the module: what a WasmPlugin's author wants to copy. */
function moduleCells({ files }: ServedPlugin): Cell[] {
  const wasm = files.get('plugin.wasm');
  if (wasm === undefined) return [{ text: '' }, { text: '' }];
  return [
    { text: formatBytes(wasm.digest.size), kind: 'size' },
    { text: wasm.digest.sha256, kind: 'code' },
  ];
}

/** `/`: everything on one page. */
export const cataloguePage = ({ release, plugins }: Tree): Page =>
  htmlPage(() => ({
    title: 'Plugins',
    intro:
      plugins.length === 0
        ? 'Nothing is served here yet.'
        : `${count(plugins.length, 'plugin version')}.${release === undefined ? '' : ` Release ${release}.`}`,
    columns: ['Plugin', 'Version', 'Size', 'SHA-256'],
    rows: plugins.map((plugin) => [
      { text: plugin.id.name, href: `plugins/${plugin.id.name}/` },
      { text: plugin.id.version, href: `plugins/${plugin.id.name}/${plugin.id.version}/` },
      ...moduleCells(plugin),
    ]),
    links: ['plugins/', 'plugins/index.json'],
  }));

/** `/plugins/` */
export const pluginsPage = (byName: ReadonlyMap<string, readonly ServedPlugin[]>): Page =>
  htmlPage(() => ({
    title: '/plugins/',
    intro: `${count(byName.size, 'plugin')}.`,
    columns: ['Plugin', 'Versions'],
    rows: [
      [entry('../'), { text: '' }],
      ...[...byName].map(([name, versions]) => [
        entry(`${name}/`),
        { text: versions.map(({ id }) => id.version).join(', ') },
      ]),
    ],
    links: ['index.json', 'snapshot-inventory.json'],
  }));

/** `/plugins/<name>/` */
export const pluginPage = (name: string, versions: readonly ServedPlugin[]): Page =>
  htmlPage(() => ({
    title: `/plugins/${name}/`,
    intro: `${count(versions.length, 'version')}.`,
    columns: ['Version', 'Size', 'SHA-256'],
    rows: [
      [entry('../'), { text: '' }, { text: '' }],
      ...versions.map((plugin) => [entry(`${plugin.id.version}/`), ...moduleCells(plugin)]),
    ],
  }));

/** `/plugins/<name>/<version>/` */
export const versionPage = ({ id, files }: ServedPlugin): Page =>
  htmlPage(() => ({
    title: `/plugins/${id.name}/${id.version}/`,
    intro: 'The url of a WasmPlugin is that of plugin.wasm; its sha256 is the one below.',
    columns: ['File', 'Size', 'SHA-256'],
    rows: [
      [entry('../'), { text: '' }, { text: '' }],
      ...[...files].map(([name, { digest }]): Cell[] => [
        entry(name),
        { text: formatBytes(digest.size), kind: 'size' },
        { text: digest.sha256, kind: 'code' },
      ]),
    ],
  }));
