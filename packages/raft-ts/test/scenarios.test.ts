/** This repository's own interaction scripts, and the interpreter that runs them. */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runScript } from '../testing/commands.ts';
import { listScripts } from '../testing/list-scripts.ts';
import { checkFile } from '../testing/run-file.ts';
import { maskLogLines, parseScript, rewriteScript } from '../testing/script.ts';

const SCENARIOS = join(import.meta.dirname, '../../../test/scenarios/raft');
const files = listScripts([SCENARIOS]);

describe('scenario scripts', () => {
  it('there are at least thirty of them', () => {
    expect(files.length).toBeGreaterThanOrEqual(30);
  });

  it.each(files.map((file) => [basename(file), file]))('%s replays as recorded', (_name, file) => {
    expect(checkFile(file)).toBeUndefined();
  });

  it.each(files.map((file) => [basename(file), file]))(
    '%s is stable when rewritten',
    (_n, file) => {
      const text = readFileSync(file, 'utf8');
      const directives = parseScript(text);
      expect(rewriteScript(text, directives, runScript(directives))).toBe(text);
    },
  );
});

describe('the script format', () => {
  it('reads comments, continued lines, lists, input and output with blank lines', () => {
    const script = [
      '# a comment',
      'add-nodes 2 voters=(1, 2) \\',
      '  index=10',
      '----',
      'ok',
      '',
      'propose-conf-change 1 v1=true',
      'v3 l4',
      '----',
      '----',
      'first',
      '',
      'second',
      '----',
      '----',
      '',
    ].join('\n');
    const [first, second] = parseScript(script);
    expect(first?.args).toEqual([
      { key: '2', values: [] },
      { key: 'voters', values: ['1', '2'] },
      { key: 'index', values: ['10'] },
    ]);
    expect(second?.input).toBe('v3 l4');
    expect(second?.expected).toBe('first\n\nsecond');
  });

  it('masks log lines only, and takes a silent command for ok', () => {
    expect(maskLogLines('INFO 1 became leader\nReady MustSync=true:')).toBe('Ready MustSync=true:');
    expect(maskLogLines('  DEBUG indented')).toBe('ok');
    expect(maskLogLines('  1->2 MsgApp Term:1')).toBe('  1->2 MsgApp Term:1');
  });

  it('notices a change of one digit in a recorded output', () => {
    const [file] = files;
    const text = readFileSync(file ?? '', 'utf8');
    const planted = text.replace('Term:1 Log:1/', 'Term:1 Log:2/');
    expect(planted).not.toBe(text);
    const directives = parseScript(planted);
    const outputs = runScript(directives).map(maskLogLines);
    const recorded = directives.map((directive) => maskLogLines(directive.expected));
    expect(outputs).not.toEqual(recorded);
  });
});
