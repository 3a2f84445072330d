import { describe, expect, it } from 'vitest';
import { checkErrors, errorsPage } from '../../scripts/gates/error-codes.ts';
import { rendered, tree } from './fixture.ts';

const unions = `/** Errors. */
export const LIST = ['A_THREE'] as const;
export type AErrorCode = 'A_ONE' | 'A_TWO';
export type AOtherErrorCode = (typeof LIST)[number];
`;
const descriptions = { A_ONE: 'One.', A_TWO: 'Two.', A_THREE: 'Three.' };
const invariants = Array.from({ length: 11 }, (_, i) => `it('holds (I${i + 1})', () => {});`);
const tests = `${invariants.join('\n')}\nexpect(codes).toEqual(['A_ONE', 'A_TWO', 'A_THREE']);\n`;

function repository(changes: Readonly<Record<string, string>>): string {
  const files = {
    'packages/a/package.json': '{}',
    'packages/a/src/errors.ts': unions,
    'packages/a/errors.json': JSON.stringify(descriptions),
    'packages/a/test/a.test.ts': tests,
    ...changes,
  };
  return tree({ 'docs/errors.md': errorsPage(tree(files)), ...files });
}

function findings(changes: Readonly<Record<string, string>>): string {
  return rendered(checkErrors(repository(changes))).join('\n');
}

describe('the gate of error codes', () => {
  it('accepts unions, descriptions, page and tests that agree', () => {
    const report = checkErrors(repository({}));
    expect(report).toMatchObject({ checkedCount: 3, findings: [] });
  });

  it('refuses a code that errors.json lacks, in a union or in a list', () => {
    const text = findings({ 'packages/a/errors.json': '{ "A_ONE": "One." }' });
    expect(text).toContain('does not describe A_TWO');
    expect(text).toContain('does not describe A_THREE');
  });

  it('refuses a description of a code that does not exist, or that says nothing', () => {
    const json = JSON.stringify({ ...descriptions, A_TWO: ' ', A_FOUR: 'Four.' });
    const text = findings({ 'packages/a/errors.json': json });
    expect(text).toContain('describes A_FOUR, which is no code');
    expect(text).toContain('says nothing about A_TWO');
  });

  it('refuses a page that is not what would be made today', () => {
    expect(findings({ 'docs/errors.md': '# Error codes\n' })).toContain('run npm run generate');
  });

  it('refuses a code in two packages', () => {
    const text = findings({
      'packages/b/package.json': '{}',
      'packages/b/src/errors.ts': "/** E. */\nexport type BErrorCode = 'A_ONE';\n",
      'packages/b/errors.json': '{ "A_ONE": "One." }',
    });
    expect(text).toContain('a has A_ONE too');
  });

  it('refuses a code and an invariant that no test names', () => {
    const without = tests.replace(/.*\(I7\).*\n/, '').replace("'A_TWO', ", '');
    const text = findings({ 'packages/a/test/a.test.ts': without });
    expect(text).toContain('no test produces or names A_TWO');
    expect(text).toContain('no test name cites invariant I7');
    expect(text).not.toContain('I1');
  });

  it('does not take a longer code for a shorter one', () => {
    const longer = tests.replace("'A_TWO'", "'A_TWO_MORE'");
    expect(findings({ 'packages/a/test/a.test.ts': longer })).toContain('names A_TWO');
  });
});
