/**
 * What a package exports: the declarations that its index leads to through re-exports of its own
 * files, found by syntax alone.
 */
import { posix } from 'node:path';
import { lineCounter, sourceTrees, SyntaxKind, type Node, type SourceFile } from './ast.ts';

/** A declaration that leaves its package. */
export interface ExportedDeclaration {
  readonly file: string;
  readonly line: number;
  readonly name: string;
  readonly node: Node;
  readonly tree: SourceFile;
}

interface Loose {
  readonly name?: Node & { readonly text?: string };
  readonly propertyName?: { readonly text?: string };
  readonly moduleSpecifier?: { readonly text?: string };
  readonly exportClause?: { readonly elements?: readonly (Node & Loose)[] };
  readonly declarationList?: { readonly declarations: readonly (Node & Loose)[] };
  readonly modifiers?: readonly Node[];
}

/** Everything that `index` exports from files of its own package. */
export function exportsOf(root: string, index: string): readonly ExportedDeclaration[] {
  const trees = sourceTrees(root);
  const reached = new Set<string>();
  const found = new Map<string, ExportedDeclaration>();
  const visit = (file: string, wanted: ReadonlySet<string> | undefined): void => {
    const key = `${file} ${wanted === undefined ? '*' : [...wanted].join()}`;
    const tree = trees.get(file);
    if (tree === undefined || reached.has(key)) return;
    reached.add(key);
    for (const declaration of declarationsIn(file, tree)) {
      if (wanted !== undefined && !wanted.has(declaration.name)) continue;
      if (wanted === undefined && !isExported(declaration.node)) continue;
      found.set(`${file} ${declaration.name} ${declaration.line}`, declaration);
    }
    for (const next of reExportsIn(file, tree, wanted)) visit(next.file, next.wanted);
  };
  visit(index, undefined);
  return [...found.values()];
}

function isExported(node: Node): boolean {
  const { modifiers } = node as Node & Loose;
  return modifiers?.some((modifier) => modifier.kind === SyntaxKind.ExportKeyword) === true;
}

function declarationsIn(file: string, tree: SourceFile): readonly ExportedDeclaration[] {
  const lineOf = lineCounter(tree.text);
  return tree.statements.flatMap((node) => {
    const { name, declarationList } = node as Node & Loose;
    const names = declarationList?.declarations.map((one) => one.name?.text) ?? [name?.text];
    const line = lineOf(node.getStart(tree));
    return names
      .filter((one) => one !== undefined)
      .map((one): ExportedDeclaration => ({ file, line, name: one, node, tree }));
  });
}

interface ReExport {
  readonly file: string;
  /** Undefined for `export *`. */
  readonly wanted: ReadonlySet<string> | undefined;
}

function reExportsIn(
  file: string,
  tree: SourceFile,
  wanted: ReadonlySet<string> | undefined,
): readonly ReExport[] {
  const found: ReExport[] = [];
  for (const node of tree.statements) {
    if (node.kind !== SyntaxKind.ExportDeclaration) continue;
    const { moduleSpecifier, exportClause } = node as Node & Loose;
    const from = moduleSpecifier?.text;
    if (from !== undefined && !from.startsWith('.')) continue;
    const target = from === undefined ? file : posix.join(posix.dirname(file), from);
    const elements = exportClause?.elements;
    if (elements === undefined) {
      found.push({ file: target, wanted });
      continue;
    }
    const chosen = elements.filter((one) => wanted?.has(one.name?.text ?? '') ?? true);
    const names = chosen.map((one) => one.propertyName?.text ?? one.name?.text ?? '');
    if (names.length > 0) found.push({ file: target, wanted: new Set(names) });
  }
  return found;
}
