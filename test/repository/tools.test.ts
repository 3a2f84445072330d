import { cpSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { checkGenerated } from '../../scripts/gates/generated.ts';
import { toolRoot } from '../../scripts/gates/gate.ts';
import { checkFormat, checkLint, checkTypes, checkUnused } from '../../scripts/gates/tools.ts';
import { rendered, tree } from './fixture.ts';

const tsconfig = JSON.stringify({
  extends: './tsconfig.base.json',
  compilerOptions: { types: [], noEmit: true, emitDeclarationOnly: false, composite: false },
  include: ['packages'],
});

/** A tree with this repository's own rules. */
function sources(files: Readonly<Record<string, string>>): string {
  const root = tree({ 'tsconfig.json': tsconfig, ...files });
  for (const file of ['tsconfig.base.json', '.oxlintrc.json', 'scripts/lint-plugin.ts']) {
    cpSync(join(toolRoot, file), join(root, file));
  }
  return root;
}

describe('the lint gate', () => {
  const pure = 'packages/core/src/a.ts';
  const adapter = 'packages/keys/src/a.ts';
  const promise = 'declare function p(): Promise<void>;\n';

  it.each([
    ['no-message-match', adapter, "export const f = (e: Error) => e.message.includes('x');"],
    ['no-message-match', adapter, 'export const f = (e: Error) => /x/.test(e.message);'],
    ['no-default-export', adapter, 'export default 1;'],
    ['no-explicit-any', adapter, 'export const x = (y: any): unknown => y;'],
    ['no-non-null-assertion', adapter, 'export const f = (x?: string) => x!;'],
    ['no-console', adapter, "console.log('x');"],
    ['no-restricted-properties', adapter, 'export const x = Math.random();'],
    ['no-floating-promises', adapter, `${promise}p();`],
    ['no-restricted-globals', pure, 'export const x = Date.now();'],
    ['no-restricted-globals', pure, 'export const x = Promise.resolve();'],
    ['no-restricted-properties', pure, 'export const x = Math.random();'],
    ['no-async-await', pure, 'export async function f(): Promise<void> {}'],
    ['no-focused-tests', 'packages/a/test/a.test.ts', "import { it } from 'vitest'; it.only('x');"],
    [
      'switch-exhaustiveness-check',
      adapter,
      "export function f(x: 'a' | 'b'): void { switch (x) { case 'a': } }",
    ],
  ])('reports %s in %s', (rule, file, source) => {
    const report = checkLint(sources({ [file]: `${source}\n` }));
    expect(rendered(report).join('\n')).toContain(`(${rule})`);
  });

  it('reports nothing in clean code', () => {
    const report = checkLint(sources({ [pure]: 'export const x: number = 1;\n' }));
    expect(report).toEqual({ checkedCount: 2, checkedUnit: 'files', findings: [] });
  });
});

describe('the gates that are another program', () => {
  it('find a type error in a referenced project', () => {
    const project = JSON.stringify({
      extends: '../../tsconfig.base.json',
      compilerOptions: { outDir: 'out', tsBuildInfoFile: 'out/info' },
    });
    const root = sources({
      'tsconfig.json': JSON.stringify({ files: [], references: [{ path: 'packages/a' }] }),
      'packages/a/tsconfig.json': project,
      'packages/a/a.ts': "export const x: number = 'one';\n",
    });
    const report = checkTypes(root);
    expect(report.checkedCount).toBe(1);
    expect(rendered(report).join('\n')).toContain('packages/a/a.ts:1 error TS2322');
  });

  it('find a Node type in a pure package', () => {
    const root = sources({ 'packages/core/src/a.ts': "import 'node:fs';\nexport {};\n" });
    expect(rendered(checkTypes(root)).join('\n')).toContain('packages/core/src/a.ts:1 error');
  });

  it('find a file that is not formatted', () => {
    const report = checkFormat(tree({ 'a.ts': 'const  x = "1"\n', 'b.md': '# B\n' }));
    expect(rendered(report)).toEqual(['a.ts is not formatted; run npm run format']);
    expect(report.checkedCount).toBe(2);
  });

  it('find a file, an export and a dependency that nothing uses', () => {
    const manifest = { name: 'x', type: 'module', dependencies: { 'left-over': '1.0.0' } };
    const root = tree({
      'package.json': JSON.stringify(manifest),
      'knip.json': '{ "entry": ["src/index.ts"], "project": ["src/**/*.ts"] }',
      'src/index.ts': "import { used } from './a.ts';\nused();\n",
      'src/a.ts': 'export const used = (): void => {};\nexport const spare = 1;\n',
      'src/orphan.ts': 'export {};\n',
    });
    const text = rendered(checkUnused(root)).join('\n');
    expect(text).toContain('spare');
    expect(text).toContain('orphan.ts');
    expect(text).toContain('left-over');
    expect(text).not.toContain('used\n');
  });
});

describe('the gate of generated code', () => {
  /** A copy of the real definitions and what is generated from them. */
  function protocol(): string {
    const root = tree({});
    for (const directory of ['proto', 'packages/protocol/src/gen']) {
      cpSync(join(toolRoot, directory), join(root, directory), { recursive: true });
    }
    symlinkSync(join(toolRoot, 'node_modules'), join(root, 'node_modules'));
    return root;
  }

  it('finds an edited, a missing and a foreign file', () => {
    const root = tree({
      'proto/buf.yaml': 'version: v2\n',
      'proto/buf.gen.yaml': readFileSync(join(toolRoot, 'proto/buf.gen.yaml'), 'utf8'),
      'proto/a/v1/a.proto': 'syntax = "proto3";\n\npackage a.v1;\n\nmessage A {}\n',
      'packages/protocol/src/gen/a/v1/a_pb.js': 'edited\n',
      'packages/protocol/src/gen/b_pb.js': 'foreign\n',
    });
    const text = rendered(checkGenerated(root)).join('\n');
    expect(text).toContain('gen/a/v1/a_pb.js differs');
    expect(text).toContain('gen/a/v1/a_pb.d.ts is missing');
    expect(text).toContain('gen/b_pb.js comes from no proto file');
    expect(text).toContain('baseline.binpb is missing');
  });

  it('finds a breaking change and one without a comment', () => {
    const root = protocol();
    const file = 'proto/witan/common/v1/common.proto';
    const text = readFileSync(join(root, file), 'utf8');
    const broken = text.replace(/^(\s+)bytes (\w+) = 1;/m, '$1uint64 $2 = 1;');
    expect(broken).not.toBe(text);
    const extra = 'message Undocumented {}\n';
    cpSync(join(tree({ x: `${broken}\n${extra}` }), 'x'), join(root, file));
    const found = rendered(checkGenerated(root)).join('\n');
    expect(found).toContain('[buf breaking]');
    expect(found).toContain('[buf lint]');
  });

  it('looks at something', () => {
    expect(checkGenerated(tree({}))).toMatchObject({ checkedCount: 0 });
    expect(checkGenerated(protocol()).checkedCount).toBeGreaterThan(3);
  });
});
