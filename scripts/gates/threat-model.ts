/**
 * The threat model: every test that its tables name exists, and the table of numbered attacks has
 * each number once. Names are `package/file` and `integration/file`; a bare file is of the package
 * named before it in the same cell. Whether a test tests what it is named for, only people can say.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readText } from './files.ts';
import { type Finding } from './gate.ts';

const FILE = 'docs/threat-model.md';
/** Numbered attacks: A1 to this. */
const ATTACKS = 12;

/** Looks at the tables whose last column is headed `tests`; none where there is no such file. */
export function threatModelFindings(root: string): readonly Finding[] {
  if (!existsSync(join(root, FILE))) return [];
  const findings: Finding[] = [];
  const numbers: string[] = [];
  let isTests = false;
  for (const [index, line] of readText(root, FILE).split('\n').entries()) {
    const cells = line.startsWith('|') ? line.split('|').slice(1, -1) : [];
    const last = cells.at(-1)?.trim();
    if (last === undefined) isTests = false;
    else if (last === 'tests') isTests = true;
    else if (isTests && !/^-+$/.test(last)) {
      const number = /^\s*(A\d+)\b/.exec(cells[0] ?? '')?.[1];
      if (number !== undefined) numbers.push(number);
      for (const message of missing(root, last))
        findings.push({ file: FILE, line: index + 1, message });
    }
  }
  if (numbers.length === 0) return findings;
  const expected = Array.from({ length: ATTACKS }, (_, at) => `A${at + 1}`);
  if (numbers.join() === expected.join()) return findings;
  const message = `numbered attacks are ${numbers.join(', ')}, expected ${expected.join(', ')}`;
  return [...findings, { file: FILE, message }];
}

function missing(root: string, cell: string): readonly string[] {
  let directory = '';
  const names = cell.replaceAll(/\([^)]*\)/g, '').split(',');
  if (names.every((name) => name.trim() === '')) return ['no test is named'];
  return names.flatMap((item) => {
    const name = item.trim();
    const [first = '', second] = name.split('/');
    if (second !== undefined) directory = first;
    const path = pathOf(directory, second ?? first);
    return existsSync(join(root, path)) ? [] : [`test ${name} does not exist: ${path}`];
  });
}

function pathOf(directory: string, name: string): string {
  if (directory === 'integration') return `test/integration/${name}.test.ts`;
  if (directory === 'scenarios') return `test/scenarios/raft/${name}.txt`;
  return `packages/${directory}/test/${name}.test.ts`;
}
