import { describe, expect, it } from 'vitest';
import { checkDocs } from '../../scripts/gates/documents.ts';
import { rendered, tree } from './fixture.ts';

function findings(files: Readonly<Record<string, string>>): string {
  return rendered(checkDocs(tree(files))).join('\n');
}

describe('the documentation gate', () => {
  it.each(['[x](gone.md)', '[x](../../out.md)', '[x](b.md#no-such)', '[x](#no-such)'])(
    'refuses the dead link %s',
    (link) => {
      const files = { 'docs/a.md': `# A\n\n${link}\n`, 'docs/b.md': '# B\n' };
      expect(findings(files)).toMatch(/^docs\/a\.md:3 link/);
    },
  );

  it('accepts links to files, headings and the web, and ignores code', () => {
    const text = '# A: one `two`\n[x](b.md) [x](b.md#b) [x](#a-one-two) [x](https://x.example)\n';
    const code = '```\n[x](gone.md)\n```\n';
    expect(findings({ 'docs/a.md': text + code, 'docs/b.md': '# B\n' })).toBe('');
  });

  it('refuses commands and paths in the README that do not exist', () => {
    const readme = 'Run `npm test`, `npm run gone` and see `packages/gone/x.ts`.\n';
    const scripts = JSON.stringify({ scripts: { test: 'true' } });
    const text = findings({ 'README.md': readme, 'package.json': scripts });
    expect(text).toContain('npm script gone does not exist');
    expect(text).toContain('packages/gone/x.ts does not exist');
    expect(text).not.toContain('script test');
  });

  describe('in the threat model', () => {
    const table = (...rows: readonly string[]): string =>
      `| attack | held by | tests |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
    const numbered = Array.from({ length: 12 }, (_, at) => `| A${at + 1} x | I2 | keys/a |`);
    const found = (text: string): string =>
      findings({
        'docs/threat-model.md': text,
        'packages/keys/test/a.test.ts': '',
        'packages/keys/test/b.test.ts': '',
        'test/integration/c.test.ts': '',
        'test/scenarios/raft/d.txt': '',
      });

    it('accepts tests that exist, in packages, across them and as scenarios', () => {
      expect(found(table('| x | I1 | keys/a, b (time), integration/c, scenarios/d |'))).toBe('');
      expect(found(table(...numbered))).toBe('');
    });

    it.each(['keys/gone', 'keys/a, gone', 'integration/a', 'scenarios/c', 'a', ''])(
      'refuses the tests %s',
      (tests) => {
        expect(found(table(`| x | I1 | ${tests} |`))).toContain('docs/threat-model.md:3');
      },
    );

    it('refuses a numbered attack that is left out or named twice', () => {
      expect(found(table(...numbered.slice(1)))).toContain('numbered attacks are A2');
      expect(found(table(...numbered, '| A3 x | I2 | keys/a |'))).toContain('A12, A3, expected');
    });
  });
});
