/** Every declaration that leaves a package carries a doc comment. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { exportsOf, type ExportedDeclaration } from './exports.ts';
import { listPackages } from './files.ts';
import { type Finding } from './gate.ts';

/** One finding for each exported name without a doc comment, over all packages. */
export function undocumentedExports(root: string): readonly Finding[] {
  return listPackages(root).flatMap((name) => {
    const index = `packages/${name}/src/index.ts`;
    if (!existsSync(join(root, index))) return [];
    const documented = new Set<string>();
    const exported = exportsOf(root, index);
    for (const one of exported) if (hasDoc(one)) documented.add(one.name);
    return exported
      .filter((one) => !documented.has(one.name))
      .map(({ file, line, name: symbol }): Finding => {
        return { file, line, message: `exported ${symbol} has no doc comment` };
      });
  });
}

function hasDoc({ node, tree }: ExportedDeclaration): boolean {
  const trivia = tree.text.slice(node.pos, node.getStart(tree));
  // A file header in front of the first statement is not that statement's documentation.
  const comments = trivia.match(/\/\*\*[\s\S]*?\*\//g) ?? [];
  const isFirst = tree.statements[0] === node;
  return comments.length > (isFirst ? 1 : 0);
}
