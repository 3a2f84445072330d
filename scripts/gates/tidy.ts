/**
 * Style rules that are a number or a pattern: length of functions, files and lines, a header on
 * every file, a doc comment on every export of a package, and text that may stand nowhere.
 * The limits come from docs/architecture.md ("House rules").
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { lineCounter, sourceTrees, walk, SyntaxKind, type Node, type SourceFile } from './ast.ts';
import { undocumentedExports } from './doc-comments.ts';
import { isGenerated, isSource, listFiles, listPackages, readJson, readText } from './files.ts';
import { type Finding, type GateReport } from './gate.ts';
import { missingOptionals, type LockPackage } from './lock-file.ts';

const functionLinesMax = 70;
const fileLinesMax = 600;
const fileLinesSoftMax = 400;
const lineColumnsMax = 100;
const longFilesPath = 'scripts/long-files.json';

/** Text that may stand in no file of ours, with the reason. */
const bannedText: readonly (readonly [RegExp, string])[] = [
  [/(?<![\w.-])\/(?:work|root|home|Users)\/[\w.-]/, 'names a path of one machine'],
  [/registry\.(?:npmjs|yarnpkg)\.|npm\.pkg\.github\./, 'names a package registry'],
  [/co-authored[-]by/i, 'carries a Co-authored trailer'],
];

/** Runs every rule on every file that a person wrote. */
export function checkTidy(root: string): GateReport {
  const files = listFiles(root).filter((file) => !isGenerated(file));
  const sources = files.filter(isSource);
  const findings: Finding[] = [];
  for (const file of files) {
    if (isText(file)) findings.push(...textFindings(file, readText(root, file)));
  }
  for (const [file, tree] of sourceTrees(root)) {
    findings.push(...functionFindings(file, tree), ...headerFindings(file, tree));
  }
  findings.push(...lengthFindings(root, sources), ...undocumentedExports(root));
  findings.push(...lockFindings(root), ...commitFindings(root));
  return { checkedCount: sources.length, checkedUnit: 'files', findings };
}

function isText(file: string): boolean {
  const byName = /\.(ts|mts|mjs|js|json|md|ya?ml|proto|sh|txt)$/.test(file) || file === '.ci/run';
  return byName || /(^|\/)(Dockerfile|LICENSE|\.npmrc)$/.test(file);
}

function textFindings(file: string, text: string): readonly Finding[] {
  const findings: Finding[] = [];
  const hasColumnLimit = /\.(ts|mts|mjs|js|proto|sh)$/.test(file) || file === '.ci/run';
  for (const [index, content] of text.split('\n').entries()) {
    const line = index + 1;
    if (hasColumnLimit && [...content].length > lineColumnsMax) {
      findings.push({ file, line, message: `line has more than ${lineColumnsMax} columns` });
    }
    for (const [pattern, reason] of bannedText) {
      if (pattern.test(content)) findings.push({ file, line, message: reason });
    }
  }
  return findings;
}

/** Soft limit with an allow-list that records today's length and may only shrink. */
function lengthFindings(root: string, sources: readonly string[]): readonly Finding[] {
  const allowed = (readJson(root, longFilesPath) ?? {}) as Readonly<Record<string, number>>;
  const findings: Finding[] = [];
  for (const file of sources) {
    const lineCount = readText(root, file).split('\n').length - 1;
    const recorded = allowed[file];
    if (lineCount > fileLinesMax) {
      findings.push({ file, message: `${lineCount} lines, over the limit of ${fileLinesMax}` });
    } else if (lineCount > (recorded ?? fileLinesSoftMax)) {
      const limit = recorded ?? fileLinesSoftMax;
      findings.push({ file, message: `${lineCount} lines, over its limit of ${limit}: split it` });
    } else if (recorded !== undefined && lineCount < recorded) {
      const message = `has shrunk to ${lineCount} lines: lower or remove its record of ${recorded}`;
      findings.push({ file: longFilesPath, message: `${file} ${message}` });
    }
  }
  for (const file of Object.keys(allowed)) {
    if (sources.includes(file)) continue;
    findings.push({ file: longFilesPath, message: `${file} does not exist any more` });
  }
  return findings;
}

const functionKinds: ReadonlySet<SyntaxKind> = new Set([
  SyntaxKind.FunctionDeclaration,
  SyntaxKind.FunctionExpression,
  SyntaxKind.ArrowFunction,
  SyntaxKind.MethodDeclaration,
  SyntaxKind.Constructor,
  SyntaxKind.GetAccessor,
  SyntaxKind.SetAccessor,
]);

function functionFindings(file: string, tree: SourceFile): readonly Finding[] {
  const lineOf = lineCounter(tree.text);
  const findings: Finding[] = [];
  walk(tree, (node) => {
    if (!functionKinds.has(node.kind) || isSuite(node)) return;
    const line = lineOf(node.getStart(tree));
    const lineCount = lineOf(node.end) - line + 1;
    if (lineCount <= functionLinesMax) return;
    findings.push({ file, line, message: `function of ${lineCount} lines: split it` });
  });
  return findings;
}

/** A callback of `describe` holds tests as a file does; it is not a function to be read at once. */
function isSuite(node: Node): boolean {
  let callee: (Node & { readonly expression?: Node }) | undefined = node.parent;
  if (callee?.kind !== SyntaxKind.CallExpression) return false;
  while (callee !== undefined && callee.kind !== SyntaxKind.Identifier) callee = callee.expression;
  return callee !== undefined && (callee as Node & { readonly text?: string }).text === 'describe';
}

/** Tests say what they are for in their names; everything else starts with a comment. */
function headerFindings(file: string, tree: SourceFile): readonly Finding[] {
  if (/\/test\/|^test\//.test(file)) return [];
  const text = tree.text.replace(/^#!.*\n/, '').trimStart();
  if (text.startsWith('/*') || text.startsWith('//')) return [];
  return [{ file, line: 1, message: 'has no header comment: what is it for, what not?' }];
}

function lockFindings(root: string): readonly Finding[] {
  const file = 'package-lock.json';
  if (!existsSync(join(root, file))) return [];
  const lock = readJson(root, file) as { packages?: Readonly<Record<string, LockPackage>> };
  const findings = missingOptionals(lock.packages ?? {}).map(({ name, wantedBy }): Finding => ({
    file,
    message: `lacks ${name}, wanted by ${wantedBy}: npm ci will refuse it (complete-lock.ts)`,
  }));
  for (const name of listPackages(root)) {
    if (`packages/${name}` in (lock.packages ?? {})) continue;
    findings.push({ file, message: `lacks packages/${name}: npm ci will refuse it; npm install` });
  }
  const host = /"resolved": "https?:/.test(readText(root, file));
  return host ? [...findings, { file, message: 'names a package registry' }] : findings;
}

function commitFindings(root: string): readonly Finding[] {
  if (!existsSync(join(root, '.git'))) return [];
  const options = ['log', '--format=%h', '-i', '--grep=^co-authored[-]by:'];
  const { stdout } = spawnSync('git', options, { cwd: root, encoding: 'utf8' });
  return stdout
    .split('\n')
    .filter((commit) => commit !== '')
    .map((commit) => ({ file: '.git', message: `commit ${commit} carries a Co-authored trailer` }));
}
