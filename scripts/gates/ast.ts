/**
 * Syntax trees from TypeScript's own parser. Only the parser runs: no library, no resolution and no
 * types, so a broken or incomplete package is parsed like any other. The interface is marked
 * unstable upstream; the version is pinned and nothing else in the repository touches it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { API } from 'typescript/unstable/sync';
import { SyntaxKind, computeLineStarts, type Node, type SourceFile } from 'typescript/unstable/ast';
import { isSource, listFiles } from './files.ts';

export { SyntaxKind, type Node, type SourceFile };

const compilerOptions = {
  noLib: true,
  noResolve: true,
  types: [],
  allowJs: true,
  noEmit: true,
  allowImportingTsExtensions: true,
};

const parsed = new Map<string, ReadonlyMap<string, SourceFile>>();

/**
 * The syntax tree of every source file of a tree, by path relative to its root. Parsed once for
 * each root in the life of the process: a gate looks at the tree as it was when it was first asked.
 */
export function sourceTrees(root: string): ReadonlyMap<string, SourceFile> {
  const known = parsed.get(root);
  if (known !== undefined) return known;
  const trees = parseFiles(root, listFiles(root).filter(isSource));
  parsed.set(root, trees);
  return trees;
}

function parseFiles(root: string, files: readonly string[]): ReadonlyMap<string, SourceFile> {
  const trees = new Map<string, SourceFile>();
  const directory = mkdtempSync(join(tmpdir(), 'witan-ast-'));
  const config = join(directory, 'tsconfig.json');
  const paths = files.map((file) => join(root, file));
  writeFileSync(config, JSON.stringify({ compilerOptions, files: paths }));
  const api = new API({});
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProject(config);
    for (const file of files) {
      const tree = project?.program.getSourceFile(join(root, file));
      if (tree === undefined) throw new Error(`TypeScript gave no syntax tree for ${file}`);
      trees.set(file, tree);
    }
  } finally {
    api.close();
    rmSync(directory, { recursive: true });
  }
  return trees;
}

/** Calls `visit` on `node` and everything below it, outermost first. */
export function walk(node: Node, visit: (node: Node) => void): void {
  visit(node);
  node.forEachChild((child) => {
    walk(child, visit);
  });
}

/** Gives the line, from 1, of a position in `text`. */
export function lineCounter(text: string): (position: number) => number {
  const starts = computeLineStarts(text);
  return (position) => {
    let low = 0;
    let high = starts.length;
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] ?? 0) <= position) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}
