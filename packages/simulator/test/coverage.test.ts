/** What the coverage of the core counts. */
import { expect, it } from 'vitest';
import { coverageOf } from '../src/coverage-main.ts';

it('counts functions and blocks, and names the lines that were not reached', () => {
  const source = 'function a() {\n  if (x) {\n    b();\n  }\n}\n';
  const block = { startOffset: source.indexOf('{\n    b'), endOffset: 40, count: 0 };
  const whole = { startOffset: 0, endOffset: source.length, count: 3 };
  const url = 'file:///x/packages/raft-ts/src/quorum/a.ts';
  const scripts = [{ url, functions: [{ ranges: [whole, block] }, { ranges: [whole] }] }];
  expect(coverageOf(scripts, () => source)).toEqual([
    { file: 'quorum/a.ts', blocks: 3, reached: 2, missed: [2] },
  ]);
});
