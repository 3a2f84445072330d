/**
 * Changes YAML text in place: whatever is not changed keeps its bytes, comments and layout.
 *
 * Three edits are enough. Each becomes text at a position of the parsed tree; the caller parses the
 * result again and compares it with what it wanted, so a case that this module gets wrong (an
 * anchor
 * that is used elsewhere, say) is refused and never written.
 */
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  stringify,
  type Document,
  type ParsedNode,
  type Range,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml';
import { assert } from '@witan/core';
import { KubernetesError } from './errors.ts';

/** Where in a document, from its root. */
export type YamlPath = readonly (string | number)[];

export type YamlEdit =
  /** Adds a field to a map, or replaces its value. */
  | {
      readonly kind: 'set';
      readonly map: YamlPath;
      readonly key: string;
      readonly value: unknown;
    }
  /** Adds an item to a list that has at least one. */
  | {
      readonly kind: 'insert';
      readonly list: YamlPath;
      readonly at: 'start' | 'end';
      readonly value: unknown;
    }
  /** Replaces an item of a list. */
  | {
      readonly kind: 'replace';
      readonly list: YamlPath;
      readonly index: number;
      readonly value: unknown;
    };

/** A piece of text to put in place of what stands from `start` to `end`. */
export interface TextChange {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/**
 * Where an edit changes the text.
 *
 * @param text the whole text that `tree` was parsed from
 * @param path beginning of every path in the document, for errors
 * @throws KubernetesError KUBERNETES_YAML_ALIAS
 */
export function textChangeOf(
  text: string,
  tree: Document.Parsed<ParsedNode>,
  path: string,
  edit: YamlEdit,
): TextChange {
  switch (edit.kind) {
    case 'set': {
      const map = nodeAt(tree, edit.map, path);
      assert(isMap(map), 'a set edit names a map');
      return setField(text, map, edit.key, edit.value);
    }
    case 'insert': {
      const list = nodeAt(tree, edit.list, path);
      assert(isSeq(list) && list.items.length > 0, 'an insert edit names a list with items');
      return insertItem(text, list, edit.at, edit.value);
    }
    case 'replace': {
      const item = nodeAt(tree, [...edit.list, edit.index], path);
      return replaceNode(text, item, edit.value);
    }
  }
}

/** Applies changes that do not overlap; those at one place keep their order. */
export function applyTextChanges(text: string, changes: readonly TextChange[]): string {
  let result = '';
  let at = 0;
  for (const change of changes.toSorted((left, right) => left.start - right.start)) {
    assert(change.start >= at, 'text changes do not overlap');
    result += text.slice(at, change.start) + change.text;
    at = change.end;
  }
  return result + text.slice(at);
}

function nodeAt(tree: Document.Parsed<ParsedNode>, path: YamlPath, place: string): unknown {
  let node: unknown = tree.contents;
  for (const [depth, part] of path.entries()) {
    if (isMap(node) || isSeq(node)) node = node.get(part, true);
    if (isAlias(node)) {
      throw new KubernetesError('KUBERNETES_YAML_ALIAS', {
        path: `${place} ${path.slice(0, depth + 1).join('.')}`,
        expected: 'the value written out',
        found: `*${node.source}`,
      });
    }
  }
  return node;
}

function setField(text: string, map: YAMLMap, key: string, value: unknown): TextChange {
  const pair = map.items.find((item) => isScalar(item.key) && item.key.value === key);
  if (pair !== undefined) {
    const old: unknown = pair.value;
    assert(old !== null && old !== undefined, 'a parsed pair has a value');
    return replaceValue(text, pair.key, old, value);
  }
  if (map.flow === true || map.items.length === 0) {
    const comma = map.items.length === 0 ? '' : ', ';
    const at = rangeOf(map)[0] + 1;
    return insertion(at, `${JSON.stringify(key)}: ${JSON.stringify(value)}${comma}`);
  }
  const column = columnOf(text, rangeOf(map.items[0]?.key)[0]);
  return appendLines(text, rangeOf(map)[1], column, { [key]: value });
}

function insertItem(text: string, list: YAMLSeq, at: 'start' | 'end', value: unknown): TextChange {
  const [start, end] = rangeOf(list);
  if (list.flow === true) {
    if (at === 'start') return insertion(start + 1, `${JSON.stringify(value)}, `);
    return insertion(rangeOf(list.items.at(-1))[1], `, ${JSON.stringify(value)}`);
  }
  // A block list begins at its first dash.
  const column = columnOf(text, start);
  if (at === 'end') return appendLines(text, end, column, [value]);
  return insertion(start, `${render([value], column)}\n${' '.repeat(column)}`);
}

/** Puts lines behind a block collection that ends at `end`. */
function appendLines(text: string, end: number, column: number, value: unknown): TextChange {
  const lines = `${' '.repeat(column)}${render(value, column)}\n`;
  if (end > 0 && text.charAt(end - 1) === '\n') return insertion(end, lines);
  const lineEnd = text.indexOf('\n', end);
  if (lineEnd === -1) return insertion(text.length, `\n${lines}`);
  return insertion(lineEnd + 1, lines);
}

function replaceValue(text: string, key: unknown, old: unknown, value: unknown): TextChange {
  const [, keyEnd] = rangeOf(key);
  const colon = text.indexOf(':', keyEnd);
  const [, end] = rangeOf(old);
  const tail = end > 0 && text.charAt(end - 1) === '\n' ? '\n' : '';
  return {
    start: colon + 1,
    end: Math.max(end, colon + 1),
    text: ` ${JSON.stringify(value)}${tail}`,
  };
}

function replaceNode(text: string, node: unknown, value: unknown): TextChange {
  const [start, end] = rangeOf(node);
  const tail = text.charAt(end - 1) === '\n' ? '\n' : '';
  if (!isMap(node) || node.flow === true) return { start, end, text: JSON.stringify(value) + tail };
  return { start, end, text: render(value, columnOf(text, start)) + tail };
}

/** Block style, with every line but the first indented to `column`. */
function render(value: unknown, column: number): string {
  const lines = stringify(value, { lineWidth: 0, defaultStringType: 'PLAIN' }).trimEnd();
  return lines.replaceAll('\n', `\n${' '.repeat(column)}`);
}

function columnOf(text: string, offset: number): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1);
}

function insertion(at: number, text: string): TextChange {
  return { start: at, end: at, text };
}

function rangeOf(node: unknown): Range {
  const range =
    typeof node === 'object' && node !== null && 'range' in node
      ? (node.range as Range | null | undefined)
      : undefined;
  assert(range !== null && range !== undefined, 'a parsed node has a range');
  return range;
}
