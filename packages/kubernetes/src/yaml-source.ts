/**
 * From YAML text to documents with their source positions.
 *
 * kubectl reads YAML 1.1 and the parser here YAML 1.2. A text that the two read differently could
 * pass every check here and mean something else in the cluster, so it is refused: each document is
 * read both ways and the results are compared.
 */
import { parseAllDocuments, type Document, type ParsedNode } from 'yaml';
import { BytesError, fromUtf8 } from '@witan/core';
import { KubernetesError, clip, type KubernetesErrorCode } from './errors.ts';
import { describe, isFields, keyPath, type Fields } from './fields.ts';
import { ALIASES_MAX, DEPLOYMENT_BYTES_MAX, DEPTH_MAX, DOCUMENTS_MAX } from './limits.ts';

/** One document of the text. */
export interface SourceDocument {
  /** From 1. */
  readonly number: number;
  /** The tree with its positions in the whole text. */
  readonly tree: Document.Parsed<ParsedNode>;
  readonly fields: Fields;
  /** Beginning of every path in it, for example `document 2 (Deployment api):`. */
  readonly path: string;
}

/** A whole deployment. */
export interface Source {
  readonly text: string;
  /** The documents that hold something. */
  readonly documents: readonly SourceDocument[];
}

/**
 * Reads a deployment.
 *
 * @throws KubernetesError KUBERNETES_TOO_LARGE, KUBERNETES_TOO_MANY_DOCUMENTS,
 *   KUBERNETES_YAML_INVALID, KUBERNETES_YAML_AMBIGUOUS
 */
export function readSource(bytes: Uint8Array): Source {
  if (bytes.byteLength > DEPLOYMENT_BYTES_MAX) {
    throw error('KUBERNETES_TOO_LARGE', 'deployment', DEPLOYMENT_BYTES_MAX, bytes.byteLength);
  }
  const text = decode(bytes);
  const trees = parse(text, '1.2');
  const olds = parse(text, '1.1');
  if (trees.length > DOCUMENTS_MAX) {
    throw error('KUBERNETES_TOO_MANY_DOCUMENTS', 'deployment', DOCUMENTS_MAX, trees.length);
  }
  const documents: SourceDocument[] = [];
  for (const [index, tree] of trees.entries()) {
    const place = `document ${index + 1}`;
    const value = valueOf(tree, place);
    if (value === null || value === undefined) continue;
    if (!isFields(value)) {
      throw error('KUBERNETES_YAML_INVALID', place, 'a map', describe(value));
    }
    const path = `${place}${titleOf(value)}:`;
    const old = olds[index];
    compare(value, old === undefined ? undefined : valueOf(old, place), path, 0);
    documents.push({ number: index + 1, tree, fields: value, path });
  }
  return { text, documents };
}

function decode(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    if (!(cause instanceof BytesError)) throw cause;
    throw error('KUBERNETES_YAML_INVALID', 'deployment', 'well-formed UTF-8', 'other bytes', cause);
  }
}

function parse(text: string, version: '1.1' | '1.2'): readonly Document.Parsed<ParsedNode>[] {
  try {
    const trees = parseAllDocuments(text, { version, merge: version === '1.1', logLevel: 'error' });
    return 'empty' in trees ? [] : trees;
  } catch (cause) {
    // Deep nesting exhausts the parser's stack.
    throw error('KUBERNETES_YAML_INVALID', 'deployment', 'YAML', 'unreadable text', cause);
  }
}

function valueOf(tree: Document.Parsed<ParsedNode>, place: string): unknown {
  const [problem] = tree.errors;
  if (problem !== undefined) {
    const line = problem.linePos?.[0].line ?? 0;
    const found = `${problem.code} at line ${line}`;
    throw error('KUBERNETES_YAML_INVALID', place, 'YAML', found, problem);
  }
  if (tree.directives?.yaml.explicit === true) {
    throw error('KUBERNETES_YAML_INVALID', place, 'no %YAML directive', 'a %YAML directive');
  }
  try {
    return tree.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (cause) {
    const expected = `at most ${ALIASES_MAX} aliases`;
    throw error('KUBERNETES_YAML_INVALID', place, expected, 'more, or an unknown one', cause);
  }
}

function titleOf(value: Fields): string {
  const { kind, metadata } = value;
  const name = isFields(metadata) ? metadata['name'] : undefined;
  if (typeof kind !== 'string') return '';
  return typeof name === 'string' ? ` (${clip(kind)} ${clip(name)})` : ` (${clip(kind)})`;
}

/** Finds the first place where the two readings differ. */
function compare(value: unknown, old: unknown, path: string, depth: number): void {
  if (depth > DEPTH_MAX) {
    throw error('KUBERNETES_YAML_INVALID', clip(path), `depth ${DEPTH_MAX}`, depth);
  }
  if (Array.isArray(value) && Array.isArray(old) && value.length === old.length) {
    value.forEach((item, index) => compare(item, old[index], `${path}[${index}]`, depth + 1));
    return;
  }
  if (isFields(value) && isFields(old) && !(old instanceof Date)) {
    const keys = Object.keys(value);
    for (const key of keys) {
      if (!Object.hasOwn(old, key)) throw ambiguous(keyPath(path, key), key, 'another key');
      compare(value[key], old[key], keyPath(path, key), depth + 1);
    }
    if (keys.length === Object.keys(old).length) return;
    throw ambiguous(path, value, old);
  }
  if (!Object.is(value, old)) throw ambiguous(path, value, old);
}

function ambiguous(path: string, value: unknown, old: unknown): KubernetesError {
  const found = `${describe(value)} or ${describe(old)}`;
  return error('KUBERNETES_YAML_AMBIGUOUS', path, 'a value in quotes, or written out', found);
}

function error(
  code: KubernetesErrorCode,
  path: string,
  expected: string | number,
  found: string | number,
  cause?: unknown,
): KubernetesError {
  return new KubernetesError(code, { path, expected, found }, cause);
}
