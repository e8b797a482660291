import {
  Document,
  Scalar,
  type DocumentOptions,
  type ParseOptions,
  type ScalarTag,
  type SchemaOptions,
} from 'yaml';
import { plainValue } from './yaml-scalar.js';

/** The only file that knows the YAML package: its parser, set to kubectl's dialect, and its nodes. */
export {
  CST,
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  parseAllDocuments,
  visit,
  type Node,
  type Scalar,
  type YAMLMap,
} from 'yaml';
export type YamlDocument = Document;

const nullTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:null',
  default: true,
  identify: (value) => value === null || value === undefined,
  createNode: () => new Scalar(null),
  test: /^(?:~|[Nn]ull|NULL)?$/,
  resolve: () => new Scalar(null),
  stringify: () => 'null',
};
const boolTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:bool',
  default: true,
  identify: (value) => typeof value === 'boolean',
  test: /^(?:[Yy]|[Yy]es|YES|[Tt]rue|TRUE|[Oo]n|ON|[Nn]|[Nn]o|NO|[Ff]alse|FALSE|[Oo]ff|OFF)$/,
  resolve: plainValue,
  stringify: ({ value }) => String(value),
};
/** Whatever looks like a number is asked; a date or an address is not one and stays text. */
const numberTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:int',
  default: true,
  identify: (value) => typeof value === 'number',
  test: /^[-+.0-9]/,
  resolve: plainValue,
  // An identifier of more than 53 bits must come out as it went in.
  stringify: ({ value, source }) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && /^-?[1-9]\d*$/.test(source ?? '')
      ? String(source)
      : JSON.stringify(value),
};
const floatTag: ScalarTag = { ...numberTag, tag: 'tag:yaml.org,2002:float', default: false };

/** The dialect: kubectl's. `uniqueKeys` compares each key with each other one, so `yaml-tree.ts` does that instead. */
export const dialect: ParseOptions & DocumentOptions & SchemaOptions = {
  version: '1.1',
  schema: 'failsafe',
  customTags: [nullTag, boolTag, numberTag, floatTag],
  resolveKnownTags: false,
  merge: true,
  uniqueKeys: false,
  // It repeats the whole line of each of maybe a million errors.
  prettyErrors: false,
  logLevel: 'error',
};


/** A document for a node, or for a value. */
export const documentOf = (content: unknown): YamlDocument =>
  new Document(content, { ...dialect, aliasDuplicateObjects: false });
