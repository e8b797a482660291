import { isMap, parseAllDocuments, stringify, type Document } from 'yaml';
import { PlugferryError, type ErrorCode } from '../errors.js';

/** Most characters of a YAML text: the largest object that a Kubernetes API server takes is 3 MiB of JSON. */
const maxYamlLength = 16 * 1024 * 1024;

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
  /** The syntax tree, for whoever changes the text and keeps its comments. */
  readonly document: Document.Parsed;
}

/**
 * The documents of a YAML text as kubectl reads them: YAML 1.1 (`on` and `yes` are booleans, `<<` merges). Empty documents are
 * left out. Duplicate keys, unknown tags and alias bombs are refused.
 *
 * @throws PlugferryError with the code of `context`, naming the line.
 */
export function parseYaml(text: string, context: YamlContext): YamlPart[] {
  if (text.length > maxYamlLength) throw refused(context, `longer than ${maxYamlLength} characters`);
  const parsed = parseAllDocuments(text, { version: '1.1', merge: true, logLevel: 'error' });
  if (!Array.isArray(parsed)) return [];
  return parsed.flatMap((document) => {
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined) throw refused(context, problem.message.split('\n', 1)[0] ?? '', problem);
    if (document.contents === null) return [];
    return [{ value: plain(document, context), line: lineAt(text, document.contents.range[0]), document }];
  });
}

function plain(document: Document.Parsed, context: YamlContext): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    throw refused(context, error instanceof Error ? error.message : String(error), error);
  }
}

/** Whether a document is a mapping: the form of every Kubernetes object. */
export const isMapping = ({ document }: YamlPart): boolean => isMap(document.contents);

function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1)) line += 1;
  return line;
}

/**
 * Values as a YAML text that every reader understands alike, kubectl with its YAML 1.1 included: strings are quoted, so none of
 * `on`, `1_000` or `2001-01-01` turns into something else.
 */
export const formatYaml = (values: readonly unknown[]): string =>
  values
    .map((value) =>
      stringify(value, {
        version: '1.1',
        defaultStringType: 'QUOTE_DOUBLE',
        defaultKeyType: 'PLAIN',
        lineWidth: 0,
        aliasDuplicateObjects: false,
      }),
    )
    .join('---\n');

function refused({ file, code, hint }: YamlContext, reason: string, cause?: unknown): PlugferryError {
  return new PlugferryError(code, `${file}: ${reason}`, { hint, details: { file, found: reason }, cause });
}
