/**
 * Error codes and invariants: every package's union of codes equals its errors.json, docs/errors.md
 * is made from those files, no code stands in two packages, each one is named by a test, and so is
 * each invariant of docs/threat-model.md.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { sourceTrees, walk, SyntaxKind, type Node, type SourceFile } from './ast.ts';
import { listPackages, readJson, readText } from './files.ts';
import { type Finding, type GateReport } from './gate.ts';

const invariantCount = 11;
const pagePath = 'docs/errors.md';

type Descriptions = Readonly<Record<string, string>>;

interface Loose {
  readonly name?: { readonly text?: string };
  readonly type?: Node;
  readonly exprName?: { readonly text?: string };
  readonly text?: string;
}

/** Codes that no test produces yet. The list may only shrink. */
const UNTESTED = 'scripts/untested-codes.json';

/** Compares unions, errors.json, the page and the tests. */
export function checkErrors(root: string): GateReport {
  const findings: Finding[] = [];
  const owners = new Map<string, string>();
  const testText = allTestText(root);
  const untested = new Set((readJson(root, UNTESTED) ?? []) as readonly string[]);
  for (const name of listPackages(root)) {
    const found = codesOf(root, name);
    const described = descriptionsOf(root, name);
    findings.push(...compareCodes(name, found, described));
    for (const code of found) {
      const file = `packages/${name}/errors.json`;
      const owner = owners.get(code);
      if (owner !== undefined) findings.push({ file, message: `${owner} has ${code} too` });
      owners.set(code, name);
      const isTested = new RegExp(`\\b${code}\\b`).test(testText);
      if (!isTested && !untested.has(code)) {
        findings.push({ file, message: `no test produces or names ${code}` });
      }
      if (isTested && untested.has(code)) {
        findings.push({ file: UNTESTED, message: `${code} is tested now: take it off the list` });
      }
    }
  }
  for (const code of untested) {
    if (!owners.has(code)) findings.push({ file: UNTESTED, message: `${code} is no code` });
  }
  if (owners.size > 0) findings.push(...pageFindings(root), ...invariantFindings(root));
  return { checkedCount: owners.size, checkedUnit: 'codes', findings };
}

function descriptionsOf(root: string, name: string): Descriptions {
  return (readJson(root, `packages/${name}/errors.json`) ?? {}) as Descriptions;
}

function compareCodes(
  name: string,
  found: ReadonlySet<string>,
  described: Descriptions,
): readonly Finding[] {
  const file = `packages/${name}/errors.json`;
  const findings: Finding[] = [];
  for (const code of found) {
    if (!(code in described)) findings.push({ file, message: `does not describe ${code}` });
  }
  for (const [code, text] of Object.entries(described)) {
    if (!found.has(code)) findings.push({ file, message: `describes ${code}, which is no code` });
    if (!/^[A-Z0-9]+(_[A-Z0-9]+)*$/.test(code))
      findings.push({ file, message: `misnames ${code}` });
    if (text.trim() === '') findings.push({ file, message: `says nothing about ${code}` });
  }
  return findings;
}

/** Every string literal of the types named `...ErrorCode` in a package's sources. */
function codesOf(root: string, name: string): ReadonlySet<string> {
  const codes = new Set<string>();
  for (const [file, tree] of sourceTrees(root)) {
    if (!file.startsWith(`packages/${name}/src/`)) continue;
    for (const node of tree.statements) {
      if (node.kind !== SyntaxKind.TypeAliasDeclaration) continue;
      const alias = node as Node & Loose;
      if (alias.name?.text?.endsWith('ErrorCode') !== true || alias.type === undefined) continue;
      collectLiterals(tree, alias.type, codes);
    }
  }
  return codes;
}

/** A union of literals, or `(typeof LIST)[number]` with LIST in the same file. */
function collectLiterals(tree: SourceFile, type: Node, codes: Set<string>): void {
  walk(type, (node) => {
    const { text, exprName } = node as Node & Loose;
    if (node.kind === SyntaxKind.StringLiteral && text !== undefined) codes.add(text);
    if (node.kind !== SyntaxKind.TypeQuery) return;
    walk(tree, (other) => {
      const named = (other as Node & Loose).name?.text;
      if (other.kind !== SyntaxKind.VariableDeclaration || named !== exprName?.text) return;
      walk(other, (item) => {
        const literal = (item as Node & Loose).text;
        if (item.kind === SyntaxKind.StringLiteral && literal !== undefined) codes.add(literal);
      });
    });
  });
}

/** The gates' own tests name codes and invariants only as examples. */
function isTestFile(file: string): boolean {
  if (file.startsWith('test/repository/')) return false;
  return /^(packages\/[^/]+\/(test|testing)|test|chaos)\//.test(file);
}

function allTestText(root: string): string {
  const files = [...sourceTrees(root)].filter(([file]) => isTestFile(file));
  return files.map(([, tree]) => tree.text).join('\n');
}

function pageFindings(root: string): readonly Finding[] {
  const text = existsSync(join(root, pagePath)) ? readText(root, pagePath) : '';
  if (text === errorsPage(root)) return [];
  return [{ file: pagePath, message: 'differs from the errors.json files; run npm run generate' }];
}

/** An invariant counts as tested when a test's name, or a suite's, cites its number. */
function invariantFindings(root: string): readonly Finding[] {
  const cited = new Set<number>();
  for (const [file, tree] of sourceTrees(root)) {
    if (!isTestFile(file) || !file.endsWith('.test.ts')) continue;
    walk(tree, (node) => {
      const { text } = node as Node & Loose;
      const isText =
        node.kind === SyntaxKind.StringLiteral ||
        node.kind === SyntaxKind.NoSubstitutionTemplateLiteral ||
        node.kind === SyntaxKind.TemplateHead ||
        node.kind === SyntaxKind.TemplateTail;
      if (!isText || text === undefined) return;
      for (const match of text.matchAll(/\bI(\d{1,2})\b/g)) cited.add(Number(match[1]));
    });
  }
  const findings: Finding[] = [];
  for (let number = 1; number <= invariantCount; number += 1) {
    if (cited.has(number)) continue;
    const message = `no test name cites invariant I${number}`;
    findings.push({ file: 'docs/threat-model.md', message });
  }
  return findings;
}

/** The text of docs/errors.md. */
export function errorsPage(root: string): string {
  const lines = [
    '# Error codes',
    '',
    'Made by `npm run generate` from the `errors.json` of each package; do not edit. Codes are',
    'stable: callers may branch on them, and a code is never given a second meaning. Messages are',
    'not stable.',
  ];
  for (const name of listPackages(root)) {
    const rows = Object.entries(descriptionsOf(root, name));
    if (rows.length === 0) continue;
    lines.push('', `## ${name}`, '', '| code | what happened, what to do |', '|---|---|');
    for (const [code, text] of rows) lines.push(`| \`${code}\` | ${text.replaceAll('|', '\\|')} |`);
  }
  return `${lines.join('\n')}\n`;
}
