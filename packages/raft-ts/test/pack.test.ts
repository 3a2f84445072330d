/** The packed package works in a plain Node program outside the workspace. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as source from '../src/index.ts';
import { pack } from '../testing/pack.ts';

const REPOSITORY = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'raft-ts-consumer-'));
const installed = join(folder, 'node_modules/raft-ts');

function run(command: string, args: readonly string[], input = ''): string {
  const result = spawnSync(command, [...args], { cwd: folder, encoding: 'utf8', input });
  if (result.status !== 0) throw new Error(`${command}: ${result.stdout}${result.stderr}`);
  return result.stdout;
}

beforeAll(() => {
  const tarball = pack(folder);
  mkdirSync(installed, { recursive: true });
  run('tar', ['--extract', '--file', tarball, '--strip-components=1', '--directory', installed]);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the packed package', () => {
  it('has no dependency, and names what it exports', () => {
    const manifest: unknown = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'));
    expect(manifest).toMatchObject({
      name: 'raft-ts',
      type: 'module',
      exports: { '.': { types: './lib/index.d.ts', default: './lib/index.js' } },
    });
    expect(manifest).not.toHaveProperty('dependencies');
    expect(readFileSync(join(installed, 'LICENSE'), 'utf8')).toContain('Apache License');
  });

  it('exports what the sources export, to plain JavaScript', () => {
    const program = "import * as raft from 'raft-ts'; console.log(Object.keys(raft).join());";
    const names = run(process.execPath, ['--input-type=module'], program).trim().split(',');
    expect(names).toEqual(Object.keys(source).toSorted());
  });

  it('runs the example of the README', () => {
    const readme = readFileSync(join(installed, 'README.md'), 'utf8');
    const example = /```ts\n([^]*?)```/.exec(readme)?.[1] ?? '';
    const options = ['--input-type=module-typescript', '--disable-warning=ExperimentalWarning'];
    expect(run(process.execPath, options, example)).toBe('2 \n3 hello\n');
  });

  it('brings its types', () => {
    const right =
      "import { nodeId, type NodeId } from 'raft-ts';\nexport const id: NodeId = nodeId(1);\n";
    writeFileSync(join(folder, 'package.json'), '{"type":"module"}\n');
    writeFileSync(join(folder, 'right.ts'), right);
    writeFileSync(join(folder, 'wrong.ts'), right.replace('nodeId(1)', '1'));
    const tsc = join(REPOSITORY, 'node_modules/typescript/bin/tsc');
    const check = (file: string): string =>
      run(
        process.execPath,
        `${tsc} --noEmit --strict --module nodenext --typeRoots types ${file}`.split(' '),
      );
    expect(check('right.ts')).toBe('');
    expect(() => check('wrong.ts')).toThrow('TS2322');
  }, 60_000);
});
