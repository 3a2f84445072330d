import { describe, expect, it } from 'vitest';
import { checkImports } from '../../scripts/gates/imports.ts';
import { rendered, tree } from './fixture.ts';

function core(source: string, place = 'src/index.ts'): string {
  return tree({
    'packages/core/package.json': '{}',
    [`packages/core/${place}`]: source,
  });
}

function replica(source: string): string {
  return tree({ 'packages/replica/package.json': '{}', 'packages/replica/src/index.ts': source });
}

describe('the import gate', () => {
  it.each([
    ["import { x } from '@witan/replica';", 'core may not import @witan/replica'],
    ["export * from '@witan/replica';", 'core may not import @witan/replica'],
    ["import type { X } from '@witan/keys';", 'core may not import @witan/keys'],
    ["export type X = import('@witan/keys').X;", 'core may not import @witan/keys'],
    ["export const x = await import('@witan/keys');", 'core may not import @witan/keys'],
    ["import 'node:fs';", 'a pure package may not import node:fs'],
    ["import 'fs';", 'write node:fs'],
    ["import 'pino';", 'pino is not among the outside packages that core may use'],
    ["import '@grpc/grpc-js/build';", '@grpc/grpc-js is not among the outside packages'],
    ["import '../../keys/src/index.ts';", 'leaves the package'],
    ["import '../test/support.ts';", 'leads out of src, into test code'],
    ['export const x = await import(name);', '(computed import) is not among'],
  ])('refuses %s in a pure package', (source, message) => {
    const report = checkImports(core(`// A file.\n${source}\n`));
    expect(rendered(report)).toHaveLength(1);
    expect(rendered(report)[0]).toContain('packages/core/src/index.ts:2');
    expect(rendered(report)[0]).toContain(message);
  });

  it('refuses a path inside another package', () => {
    const report = checkImports(replica("import { x } from '@witan/core/src/bytes.ts';"));
    expect(rendered(report).join()).toContain('reaches inside another package');
  });

  it('refuses a development package in shipped code, and allows it in a test', () => {
    const source = "import { x } from '@witan/testkit';";
    expect(checkImports(core(source)).findings).toHaveLength(1);
    expect(checkImports(core(source, 'test/x.test.ts')).findings).toHaveLength(0);
  });

  it('allows what the table lists', () => {
    const report = checkImports(replica("import { x } from '@witan/core';"));
    expect(report).toMatchObject({ checkedCount: 1, findings: [] });
  });

  it('refuses a dependency that the table does not list', () => {
    const manifest = JSON.stringify({ dependencies: { pino: '1.0.0', '@witan/keys': '*' } });
    const report = checkImports(tree({ 'packages/core/package.json': manifest }));
    expect(report.findings).toHaveLength(2);
    expect(report.checkedCount).toBe(0);
  });

  it('refuses a package that the table does not know', () => {
    const report = checkImports(tree({ 'packages/surprise/package.json': '{}' }));
    expect(rendered(report).join()).toContain('surprise is not in the import table');
  });
});
