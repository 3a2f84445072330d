/**
 * The import table as a gate: which package may import which, and which npm packages it may use.
 * Reads every import of every source, testing and test file from its syntax tree and judges it by
 * scripts/import-table.json. Layers give the direction, `imports` the exact list, `npm` a reason
 * for every outside package. Tests may also use development packages, and the `testing` entry of
 * whatever they may import.
 */
import { posix } from 'node:path';
import { isBuiltin } from 'node:module';
import { lineCounter, sourceTrees, walk, SyntaxKind, type Node, type SourceFile } from './ast.ts';
import { listPackages, readJson } from './files.ts';
import { toolRoot, type Finding, type GateReport } from './gate.ts';

interface Layer {
  readonly mayImport: readonly string[];
  readonly nodeBuiltins: boolean;
  /** Most outside packages that one package of the layer may use at run time. */
  readonly npmMax: number;
}

interface PackageRules {
  readonly layer: string;
  readonly imports: readonly string[];
  readonly npm: Readonly<Record<string, string>>;
}

interface ImportTable {
  readonly layers: Readonly<Record<string, Layer>>;
  /** Importer, then imported, then the reason: pairs that the layers alone would forbid. */
  readonly exceptions: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly tests: { readonly npm: Readonly<Record<string, string>> };
  readonly packages: Readonly<Record<string, PackageRules>>;
}

interface ImportedName {
  readonly specifier: string;
  readonly line: number;
}

function readTable(): ImportTable {
  return readJson(toolRoot, 'scripts/import-table.json') as ImportTable;
}

/** Checks the table itself, every package.json and every import below `packages`. */
export function checkImports(root: string): GateReport {
  const table = readTable();
  const findings: Finding[] = [...tableFindings(table)];
  for (const name of listPackages(root)) findings.push(...budgetFindings(table, root, name));
  let importCount = 0;
  for (const [file, tree] of sourceTrees(root)) {
    if (!/^packages\/[^/]+\/(src|testing|test)\//.test(file)) continue;
    for (const found of importsOf(tree)) {
      importCount += 1;
      const message = judge(table, file, found.specifier);
      if (message !== undefined) findings.push({ file, line: found.line, message });
    }
  }
  return { checkedCount: importCount, checkedUnit: 'imports', findings };
}

function tableFindings(table: ImportTable): readonly Finding[] {
  const findings: Finding[] = [];
  const file = 'scripts/import-table.json';
  for (const [name, rules] of Object.entries(table.packages)) {
    const layer = table.layers[rules.layer];
    const npmCount = Object.keys(rules.npm).length;
    if (npmCount > (layer?.npmMax ?? 0)) {
      findings.push({ file, message: `${name} has ${npmCount} outside packages, over its budget` });
    }
    for (const [dependency, reason] of Object.entries(rules.npm)) {
      if (reason.trim() === '') findings.push({ file, message: `no reason for ${dependency}` });
    }
    for (const imported of rules.imports) {
      const target = table.packages[imported]?.layer ?? 'unknown';
      if (layer?.mayImport.includes(target) === true) continue;
      if (table.exceptions[name]?.[imported] !== undefined) continue;
      findings.push({ file, message: `${name} (${rules.layer}) lists ${imported} (${target})` });
    }
  }
  return findings;
}

/** package.json may ask for nothing that the table does not allow. */
function budgetFindings(table: ImportTable, root: string, name: string): readonly Finding[] {
  const file = `packages/${name}/package.json`;
  const rules = table.packages[name];
  if (rules === undefined) return [{ file, message: `package ${name} is not in the import table` }];
  const manifest = readJson(root, file) as { dependencies?: Readonly<Record<string, string>> };
  const findings: Finding[] = [];
  for (const dependency of Object.keys(manifest.dependencies ?? {})) {
    const workspace = workspaceName(table, dependency);
    const allowed =
      workspace === undefined ? dependency in rules.npm : rules.imports.includes(workspace);
    if (!allowed) findings.push({ file, message: `dependency ${dependency} is not in the table` });
  }
  return findings;
}

/** Directory name of a workspace package, or undefined for an outside one. */
function workspaceName(table: ImportTable, specifier: string): string | undefined {
  const name = specifier.startsWith('@witan/') ? specifier.split('/')[1] : specifier.split('/')[0];
  return name !== undefined && name in table.packages ? name : undefined;
}

/** Why an import is refused, or undefined where it is allowed. */
function judge(table: ImportTable, file: string, specifier: string): string | undefined {
  const [, name = '', part = ''] = file.split('/');
  const rules = table.packages[name];
  if (rules === undefined) return `package ${name} is not in the import table`;
  const isTest = part !== 'src';
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    if (!target.startsWith(`packages/${name}/`)) return `${specifier} leaves the package`;
    const leavesSrc = !isTest && !target.startsWith(`packages/${name}/src/`);
    return leavesSrc ? `${specifier} leads out of src, into test code` : undefined;
  }
  if (isBuiltin(specifier)) {
    if (!specifier.startsWith('node:')) return `write node:${specifier}`;
    const allowed = isTest || table.layers[rules.layer]?.nodeBuiltins === true;
    return allowed ? undefined : `a ${rules.layer} package may not import ${specifier}`;
  }
  const workspace = workspaceName(table, specifier);
  if (workspace !== undefined) return judgeWorkspace(table, name, workspace, specifier, isTest);
  const npm = specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
  if (npm in rules.npm || (isTest && npm in table.tests.npm)) return undefined;
  return `${npm} is not among the outside packages that ${name} may use`;
}

function judgeWorkspace(
  table: ImportTable,
  name: string,
  imported: string,
  specifier: string,
  isTest: boolean,
): string | undefined {
  const bare = imported === 'raft-ts' ? 'raft-ts' : `@witan/${imported}`;
  const mayTest = isTest || table.packages[name]?.layer === 'development';
  const isTesting = mayTest && specifier === `${bare}/testing`;
  if (specifier !== bare && !isTesting)
    return `${specifier} reaches inside another package; import ${bare}`;
  if (imported === name) {
    return isTest ? undefined : 'a package imports its own files by relative paths';
  }
  if (table.packages[name]?.imports.includes(imported) === true) return undefined;
  const development = table.packages[imported]?.layer === 'development';
  if (isTest && development) return undefined;
  return `${name} may not import ${bare}`;
}

/** Module specifiers of every static, dynamic and type import and of every re-export. */
function importsOf(tree: SourceFile): readonly ImportedName[] {
  const lineOf = lineCounter(tree.text);
  const found: ImportedName[] = [];
  walk(tree, (node) => {
    const specifier = specifierOf(node);
    if (specifier !== undefined) found.push({ specifier, line: lineOf(node.getStart(tree)) });
  });
  return found;
}

interface MaybeImport {
  readonly moduleSpecifier?: Node & { readonly text?: string };
  readonly expression?: Node;
  readonly arguments?: readonly (Node & { readonly text?: string })[];
  readonly argument?: Node & { readonly literal?: { readonly text?: string } };
}

function specifierOf(node: Node): string | undefined {
  const parts = node as Node & MaybeImport;
  switch (node.kind) {
    case SyntaxKind.ImportDeclaration:
    case SyntaxKind.ExportDeclaration:
      return parts.moduleSpecifier?.text;
    case SyntaxKind.ImportType:
      return parts.argument?.literal?.text;
    case SyntaxKind.CallExpression:
      if (parts.expression?.kind !== SyntaxKind.ImportKeyword) return undefined;
      return literalText(parts.arguments?.[0]) ?? '(computed import)';
    default:
      return undefined;
  }
}

function literalText(node: (Node & { readonly text?: string }) | undefined): string | undefined {
  const isLiteral =
    node?.kind === SyntaxKind.StringLiteral ||
    node?.kind === SyntaxKind.NoSubstitutionTemplateLiteral;
  return isLiteral ? node?.text : undefined;
}
