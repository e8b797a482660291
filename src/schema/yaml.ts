import { PlugferryError, type ErrorCode } from '../errors.js';
import {
  CST,
  dialect,
  documentOf,
  isMap,
  Lexer,
  parseAllDocuments,
  visit,
  type Scalar,
  type YamlDocument,
} from './yaml-library.js';
import { mayMeanElse } from './yaml-scalar.js';
import { maxDepth, writeOut } from './yaml-tree.js';

/** Most characters of a YAML text: the largest object that a Kubernetes API server takes is 3 MiB of JSON. */
const maxYamlLength = 16 * 1024 * 1024;
/** Most words, marks, line feeds and blanks between them: some 100,000 lines. The parser takes a second and 250 MB for them. */
const maxTokens = 1_000_000;

/** How a YAML text is named in errors, and with which code it is refused. */
export interface YamlContext {
  readonly file: string;
  readonly code: ErrorCode;
  readonly hint: string;
}

export interface YamlPart {
  readonly value: unknown;
  /** Line in which the document begins, counted from 1. */
  readonly line: number;
  /** The syntax tree, for whoever changes the text and keeps its comments. Free of aliases and merge keys. */
  readonly document: YamlDocument;
}

/**
 * The documents of a YAML text as kubectl reads them. Empty documents are left out. Duplicate keys, keys that are no text,
 * unknown tags, alias bombs, and texts so large or so deep that reading them would be an attack are refused.
 *
 * @throws PlugferryError with the code of `context`, naming the line.
 */
export function parseYaml(text: string, context: YamlContext): YamlPart[] {
  if (text.length > maxYamlLength) throw refused(context, `longer than ${maxYamlLength} characters`);
  const reason = tooMuch(text);
  if (reason !== undefined) throw refused(context, reason);
  const lines = new Lines(text);
  return documentsOf(text, context).flatMap((document) => {
    const problem = document.errors[0] ?? document.warnings[0];
    if (problem !== undefined) {
      const { line, column } = new Lines(text).place(problem.pos[0]);
      const found = `${withoutSource(problem.message)} at line ${line}, column ${column}`;
      throw refused(context, found, problem);
    }
    const { contents } = document;
    if (contents === null) return [];
    try {
      const { line } = lines.place(contents.range?.[0] ?? 0);
      writeOut(document);
      return [{ value: document.toJS() as unknown, line, document }];
    } catch (error) {
      throw refused(context, error instanceof Error ? error.message : String(error), error);
    }
  });
}

function documentsOf(text: string, context: YamlContext): ParsedDocument[] {
  try {
    const parsed = parseAllDocuments(text, dialect);
    return Array.isArray(parsed) ? parsed : [];
  } catch (error) {
    throw refused(context, 'nested too deeply', error);
  }
}

type ParsedDocument = Extract<ReturnType<typeof parseAllDocuments>, unknown[]>[number];

/** Looks at the tokens of a text before anything is built from them. */
function tooMuch(text: string): string | undefined {
  let [tokens, flows, compact] = [0, 0, 0];
  for (const token of new Lexer().lex(text)) {
    tokens += 1;
    if (tokens > maxTokens) return `more than ${maxTokens} words and marks`;
    const type = CST.tokenType(token);
    if (type === 'newline') compact = 0;
    else if (type === 'seq-item-ind' || type === 'explicit-key-ind') compact += 1;
    else if (type === 'flow-map-start' || type === 'flow-seq-start') flows += 1;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') flows -= 1;
    if (flows > maxDepth || compact > maxDepth) return `nested deeper than ${maxDepth} levels`;
  }
  return undefined;
}

/** Positions stay; what stands there may be a secret. */
const withoutSource = (message: string): string =>
  (message.split('\n', 1)[0] ?? '').replace(/: "(?:[^"\\]|\\.)*"/g, '').replace(/:$/, '');

/** Whether a document is a mapping: the form of every Kubernetes object. */
export const isMapping = ({ document }: YamlPart): boolean => isMap(document.contents);

/** Counts the lines of a text once, for places that are asked for in their order. */
class Lines {
  readonly #text: string;
  #line = 1;
  #start = 0;
  #end: number;

  constructor(text: string) {
    this.#text = text;
    this.#end = this.#endFrom(0);
  }

  /** Both counted from 1. */
  place(offset: number): { readonly line: number; readonly column: number } {
    while (this.#end < offset) {
      this.#line += 1;
      this.#start = this.#end + 1;
      this.#end = this.#endFrom(this.#start);
    }
    return { line: this.#line, column: offset - this.#start + 1 };
  }

  #endFrom(start: number): number {
    const found = this.#text.indexOf('\n', start);
    return found === -1 ? Infinity : found;
  }
}

/**
 * Values as a YAML text that every reader understands alike, kubectl with its YAML 1.1 included: strings are quoted, so none of
 * `on`, `1_000` or `2001-01-01` turns into something else.
 */
export const formatYaml = (values: readonly unknown[]): string =>
  values.map((value) => yamlText(documentOf(value))).join('---\n');

/** Characters that go-yaml refuses, or takes for a line break, where they are not escaped. */
const unprintable = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** A document as text, with comments, and with quotes wherever a reader could take a string for something else. */
export function yamlText(document: YamlDocument): string {
  visit(document, {
    Scalar: (at, node) => {
      settle(node, at === 'key');
    },
  });
  const text = document.toString({ lineWidth: 0, doubleQuotedAsJSON: true, flowCollectionPadding: true });
  return text.replace(unprintable, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** A word that begins with a letter and holds no mark of YAML; it may have more of them behind single blanks. */
const plainWords = /^[A-Za-z_/][\w./@+-]*(?: [\w./@+-]+)*$/;
/** Lines that are the same in a literal block; not the first one with a blank at its start, which would set the indentation. */
const literalLines = /^[^\s\p{C}][^\p{C}\u2028\u2029]*(?:\n[^\p{C}\u2028\u2029]*)*$/u;

function settle(node: Scalar, isKey: boolean): void {
  if (isKey) node.value = String(node.value);
  delete node.tag;
  // Without the tag it would be a merge key, quotes or not.
  if (isKey && node.value === '<<') node.tag = 'tag:yaml.org,2002:str';
  const { value, type } = node;
  if (typeof value !== 'string') return;
  const isPlain = plainWords.test(value) && !mayMeanElse(value);
  const isBlock = type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED';
  if (isPlain && (isKey || type === 'PLAIN')) node.type = 'PLAIN';
  else if (!isKey && isBlock && literalLines.test(value)) node.type = 'BLOCK_LITERAL';
  else node.type = 'QUOTE_DOUBLE';
}

function refused({ file, code, hint }: YamlContext, reason: string, cause?: unknown): PlugferryError {
  return new PlugferryError(code, `${file}: ${reason}`, { hint, details: { file, found: reason }, cause });
}
