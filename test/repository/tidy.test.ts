import { describe, expect, it } from 'vitest';
import { checkTidy } from '../../scripts/gates/tidy.ts';
import { rendered, tree } from './fixture.ts';

const header = '/** A module. */\n';
const body = (lineCount: number): string => '  f();\n'.repeat(lineCount);

function findings(files: Readonly<Record<string, string>>): string {
  return rendered(checkTidy(tree(files))).join('\n');
}

describe('the tidy gate', () => {
  it.each([
    ['a function', `function f(): void {\n${body(69)}}\n`],
    ['an arrow function', `const f = (): void => {\n${body(69)}};\n`],
    ['a method', `class C {\n  m(): void {\n${body(69)}  }\n}\n`],
    ['a constructor', `class C {\n  constructor() {\n${body(69)}  }\n}\n`],
  ])('refuses %s of 71 lines', (_, source) => {
    expect(findings({ 'packages/a/src/a.ts': header + source })).toContain('function of 71 lines');
  });

  it('allows a function of 70 lines, and any length for a suite of tests', () => {
    const ok = `${header}function f(): void {\n${body(68)}}\n`;
    const suite = `describe.each([1])('x', () => {\n${body(200)}});\n`;
    expect(findings({ 'packages/a/src/a.ts': ok, 'packages/a/test/a.test.ts': suite })).toBe('');
  });

  it('refuses a file of 601 lines even when it is on the allow-list', () => {
    const text = header + 'f();\n'.repeat(600);
    const list = JSON.stringify({ 'packages/a/src/a.ts': 700 });
    const files = { 'packages/a/src/a.ts': text, 'scripts/long-files.json': list };
    expect(findings(files)).toContain('601 lines, over the limit of 600');
  });

  it('refuses a file of 401 lines unless the allow-list records it', () => {
    const text = header + 'f();\n'.repeat(400);
    const list = JSON.stringify({ 'packages/a/src/a.ts': 401 });
    expect(findings({ 'packages/a/src/a.ts': text })).toContain('401 lines, over its limit of 400');
    const recorded = { 'packages/a/src/a.ts': text, 'scripts/long-files.json': list };
    expect(findings(recorded)).toBe('');
  });

  it('demands that the allow-list shrinks with its files', () => {
    const list = JSON.stringify({ 'packages/a/src/a.ts': 450, 'packages/a/src/gone.ts': 500 });
    const files = { 'packages/a/src/a.ts': header, 'scripts/long-files.json': list };
    expect(findings(files)).toContain('has shrunk to 1 lines');
    expect(findings(files)).toContain('packages/a/src/gone.ts does not exist any more');
  });

  it('refuses a line of 101 columns', () => {
    const long = `${header}// ${'x'.repeat(98)}\n`;
    expect(findings({ 'packages/a/src/a.ts': long })).toContain(
      ':2 line has more than 100 columns',
    );
  });

  it('refuses a source file without a header comment, but not a test', () => {
    const files = { 'packages/a/src/a.ts': 'f();\n', 'packages/a/test/a.test.ts': 'f();\n' };
    expect(checkTidy(tree(files)).findings).toHaveLength(1);
  });

  it.each([
    ['a path of one machine', ['', 'home', 'ada', 'x'].join('/')],
    ['a package registry', ['https://registry', 'npmjs', 'org'].join('.')],
    ['a trailer of a co-author', ['Co', 'Authored', 'By: Ada'].join('-')],
  ])('refuses %s in any text file', (_, text) => {
    expect(checkTidy(tree({ 'docs/a.md': `Hello\n${text}\n` })).findings).toHaveLength(1);
    expect(checkTidy(tree({ 'packages/a/src/a.ts': `// ${text}\n` })).findings).toHaveLength(1);
  });

  it('refuses a lock file that lacks a package for another platform', () => {
    const packages = { 'node_modules/a': { optionalDependencies: { 'a-win32-x64': '1.0.0' } } };
    const files = { 'package-lock.json': JSON.stringify({ packages }) };
    expect(findings(files)).toContain('lacks a-win32-x64');
  });

  it('refuses a lock file that does not know a package of the repository', () => {
    const packages = { 'packages/a': {} };
    const files = {
      'package-lock.json': JSON.stringify({ packages }),
      'packages/a/package.json': '{}',
      'packages/b/package.json': '{}',
    };
    expect(findings(files)).toContain('lacks packages/b');
    expect(findings(files)).not.toContain('packages/a');
  });

  it('refuses a lock file that says where packages came from', () => {
    const text = '{ "packages": {}, "x": {\n"resolved": "https://host.example/a.tgz" } }';
    expect(findings({ 'package-lock.json': text })).toContain('names a package registry');
  });
});

describe('the doc comment rule', () => {
  const index = 'packages/a/src/index.ts';
  const manifest = { 'packages/a/package.json': '{}' };

  it.each([
    ['function', 'export function bare(): void {}'],
    ['class', 'export class bare {}'],
    ['constant', 'export const bare = 1;'],
    ['type', 'export type bare = 1;'],
    ['interface', 'export interface bare {}'],
    ['plain comment', '// not for readers of the API\nexport type bare = 1;'],
  ])('refuses an exported %s without one, through two re-exports', (_, source) => {
    const text = findings({
      ...manifest,
      [index]: "/** Index. */\nexport * from './a.ts';\n",
      'packages/a/src/a.ts': "/** A. */\nexport { bare as renamed } from './b.ts';\n",
      'packages/a/src/b.ts': `${header}import './c.ts';\n${source}\nexport const inner = 1;\n`,
    });
    expect(text).toContain('exported bare has no doc comment');
    expect(text).not.toContain('inner');
  });

  it('does not take the header of a file for the comment of its first export', () => {
    const text = findings({ ...manifest, [index]: `${header}export type Bare = 1;\n` });
    expect(text).toContain('exported Bare has no doc comment');
  });

  it('accepts a documented export', () => {
    const source = `${header}\n/** Documented. */\nexport type Fine = 1;\n`;
    expect(findings({ ...manifest, [index]: source })).toBe('');
  });
});
