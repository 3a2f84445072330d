/** The interpreter of scripts, its text forms, and the runners on the command line. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { LocalAppendThread, NO_NODE, makeMessage, nodeId } from '../src/index.ts';
import { runScript } from '../testing/commands.ts';
import { describeMessage, describeReady } from '../testing/describe.ts';
import { quote } from '../testing/quote.ts';
import { runQuorum } from '../testing/quorum-vectors.ts';
import { parseScript, rewriteScript } from '../testing/script.ts';

// Long on a busy machine, never in idle time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Runs commands without expected output. */
function outputs(...commands: readonly string[]): readonly string[] {
  return runScript(parseScript(commands.map((command) => `${command}\n----\n`).join('\n')));
}

describe('text forms', () => {
  it.each([
    ['foo', '"foo"'],
    ['"quoted"', String.raw`"\"quoted\""`],
    ['a\\b', String.raw`"a\\b"`],
    ['\u0007\b\f\n\r\t\v', String.raw`"\a\b\f\n\r\t\v"`],
    ['\u0000\u001f\u007f', String.raw`"\x00\x1f\x7f"`],
    ['é → 漢 🚀', '"é → 漢 🚀"'],
    ['\u00a0\u200b\u{e0001}', String.raw`"\u00a0\u200b\U000e0001"`],
  ])('quotes %j as Go does', (text, expected) => {
    expect(quote(utf8(text))).toBe(expected);
  });

  it('quotes bytes that are no UTF-8', () => {
    expect(quote(Uint8Array.of(0x61, 0xff, 0xc3, 0x28, 0xe2, 0x82))).toBe(
      String.raw`"a\xff\xc3(\xe2\x82"`,
    );
  });

  it('names nodes in hexadecimal, threads by name, and nobody as None', () => {
    const message = makeMessage({ type: 'MsgApp', to: nodeId(31), from: nodeId(10), term: 1 });
    expect(describeMessage(message)).toBe('a->1f MsgApp Term:1 Log:0/0');
    expect(describeMessage({ ...message, from: NO_NODE })).toMatch(/^None->1f /);
    expect(describeMessage({ ...message, to: LocalAppendThread })).toMatch(/^a->AppendThread /);
  });

  it('prints a rejection, commit, vote, entries, a snapshot and nested responses', () => {
    const entry = { term: 1, index: 5, type: 'EntryNormal', data: utf8('x') } as const;
    const confState = {
      voters: [nodeId(1)],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const response = makeMessage({ type: 'MsgAppResp', to: nodeId(2), from: nodeId(1), term: 3 });
    const text = describeMessage(
      makeMessage({
        type: 'MsgStorageAppend',
        to: LocalAppendThread,
        from: nodeId(1),
        term: 3,
        commit: 4,
        vote: nodeId(2),
        reject: true,
        rejectHint: 9,
        entries: [entry, { ...entry, index: 6 }],
        snapshot: { data: utf8('s'), metadata: { index: 4, term: 1, confState } },
        responses: [response],
      }),
    );
    expect(text.split('\n')).toEqual([
      '1->AppendThread MsgStorageAppend Term:3 Log:0/0 Rejected (Hint: 9) Commit:4 Vote:2 ' +
        'Entries:[',
      '  1/5 EntryNormal "x"',
      '  1/6 EntryNormal "x"',
      ']',
      '  Snapshot: Index:4 Term:1 ConfState:Voters:[1] VotersOutgoing:[] Learners:[] ' +
        'LearnersNext:[] AutoLeave:false Responses:[',
      '  1->2 MsgAppResp Term:3 Log:0/0',
      ']',
    ]);
  });

  it('prints reads with their contexts as bytes', () => {
    const ready = {
      softState: undefined,
      hardState: undefined,
      readStates: [
        { index: 11, requestContext: utf8('ab') },
        { index: 12, requestContext: utf8('') },
      ],
      entries: [],
      snapshot: undefined,
      committedEntries: [],
      messages: [],
      mustSync: false,
    };
    expect(describeReady(ready)).toBe('Ready MustSync=false:\nReadStates [{11 [97 98]} {12 []}]');
  });
});

describe('scripts', () => {
  it('may have CRLF line ends, subtests, and a line of blanks after the output', () => {
    const text = '# x\r\nsubtest a\r\n\r\nraft-state\r\n----\r\nok\r\n  \r\nsubtest end\r\n';
    const [only, ...rest] = parseScript(text);
    expect(rest).toEqual([]);
    expect(only).toMatchObject({ command: 'raft-state', expected: 'ok' });
  });

  it('are rewritten in the doubled form where the output has blank lines', () => {
    const text = 'raft-state\n----\nok\n\nraft-state\n----\nok\n';
    const directives = parseScript(text);
    const rewritten = rewriteScript(text, directives, ['a\n\nb', 'ok']);
    expect(rewritten).toBe('raft-state\n----\n----\na\n\nb\n----\n----\n\nraft-state\n----\nok\n');
    expect(parseScript(rewritten).map(({ expected }) => expected)).toEqual(['a\n\nb', 'ok']);
  });

  it.each([
    ['no-such-command', 'unknown command'],
    ['add-nodes 1 voters=(1) index=1', 'index must be specified as > 1 due to bootstrap'],
    ['add-nodes 1 read-only=fast', 'invalid read-only option "fast"'],
    ['add-nodes 1 prevote=maybe', 'prevote is neither true nor false: maybe'],
    ['campaign 7', 'no node 7'],
    ['campaign', 'argument 1 is missing'],
    ['log-level loud', 'log levels must be either of [DEBUG INFO WARN ERROR FATAL NONE]'],
    ['deliver-msgs 1 type=MsgNone', 'unknown message type MsgNone'],
    ['deliver-msgs', 'no messages'],
  ])('%s says: %s', (command, expected) => {
    expect(outputs(command)).toEqual([expected]);
  });

  it('print refusals of raft in the words of the recorded files', () => {
    const found = outputs(
      'add-nodes 1 voters=(1) index=2',
      'propose 1 x',
      'compact 1 1',
      'propose-conf-change 1 v1=true transition=explicit\nv2',
      'propose-conf-change 1\nx2',
      'process-ready 1',
      'process-append-thread 1',
    );
    expect(found.slice(1)).toEqual([
      'raft proposal dropped',
      'requested index is unavailable due to compaction',
      'v1 conf change can only have one operation and no transition',
      'unknown input: x2',
      '<empty Ready>',
      'no append work to perform',
    ]);
  });

  it('keep quiet at level none, except for refusals', () => {
    const found = outputs('log-level none', 'add-nodes 1', 'raft-state', 'campaign 9');
    expect(found).toEqual(['ok', 'ok', 'ok', 'no node 9']);
  });

  it('take 1, t and TRUE for true', () => {
    const found = outputs(
      'add-nodes 3 voters=(1,2,3) index=2 prevote=t',
      'campaign 1',
      'raft-state',
    );
    expect(found[2]).toContain('1: StatePreCandidate (Voter) Term:0 Lead:0');
  });

  it('report a wrong number of votes or indexes as the harness of the recorded files does', () => {
    const [votes, indexes] = parseScript(
      'vote cfg=(2,1) votes=(y)\n----\n\ncommitted cfg=(1) idx=(5,_)\n----\n',
    ).map(runQuorum);
    const head = 'error: mismatched input (explicit or _) for voters';
    expect(votes).toBe(`${head} map[1:{} 2:{}]: [2]`);
    expect(indexes).toBe(`${head} map[1:{}]: [5 0]`);
  });
});

describe('the runners', () => {
  const folder = mkdtempSync(join(tmpdir(), 'raft-runners-'));
  const main = (name: string) => join(import.meta.dirname, `../testing/${name}-main.ts`);
  const run = (name: string, ...args: readonly string[]) => {
    const options = { cwd: folder, encoding: 'utf8' } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [main(name), ...args], options);
    return { status, lines: stdout.trim().split('\n'), stderr };
  };
  const interaction = 'raft-state\n----\nok\n';

  beforeAll(() => {
    mkdirSync(join(folder, 'all/deep'), { recursive: true });
    mkdirSync(join(folder, 'empty'));
    writeFileSync(join(folder, 'all/LICENSE'), 'no script\n');
    writeFileSync(join(folder, 'all/deep/state'), interaction);
    writeFileSync(join(folder, 'all/quorum.txt'), 'vote cfg=(1) votes=(y)\n----\nVoteWon\n');
    writeFileSync(join(folder, 'wrong.txt'), 'raft-state\n----\nsomething\n');
    writeFileSync(join(folder, 'damaged.txt'), `${interaction}\ncampaign 1\n`);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('run their own kind in any directory, and say what they leave', () => {
    expect(run('interaction', 'all')).toMatchObject({
      status: 0,
      lines: [
        'PASS all/deep/state',
        'LEFT all/LICENSE: no script',
        'LEFT all/quorum.txt: quorum vectors, for raft:vectors',
        '1 passed, 0 failed',
      ],
    });
    expect(run('vectors', 'all').lines).toEqual([
      'PASS all/quorum.txt',
      'LEFT all/LICENSE: no script',
      'LEFT all/deep/state: an interaction script, for raft:interaction',
      '1 passed, 0 failed',
    ]);
  });

  it.each([
    ['a path that is not there', ['nowhere'], 'nowhere does not exist'],
    ['a folder without scripts', ['empty'], 'it is empty'],
    ['a folder of another kind', ['all/quorum.txt'], 'for raft:vectors'],
    ['no path', [], 'no path is given'],
    ['an unknown option', ['--fast', 'all'], '--fast'],
  ])('refuse %s', (_what, args, message) => {
    const { status, stderr, lines } = run('interaction', ...args);
    expect(stderr).toContain(message);
    expect([status, lines]).toEqual([1, ['0 passed, 0 failed']]);
  });

  it('fail a script with another output, and a damaged one', () => {
    const found = run('interaction', 'wrong.txt', 'damaged.txt');
    expect(found.status).toBe(1);
    expect(found.lines).toContain('FAIL wrong.txt');
    expect(found.lines).toContain('FAIL damaged.txt');
    expect(found.lines.at(-1)).toBe('0 passed, 2 failed');
  });

  it('explain themselves, and speak JSON', () => {
    expect(run('interaction', '--help').lines.join('\n')).toContain('Example: npm run');
    const { lines } = run('vectors', '--json', 'all');
    expect(JSON.parse(lines.join('\n'))).toMatchObject({ passed: 1, failed: 0, left: [{}, {}] });
  });

  it('rewrite a file, which then passes', () => {
    expect(run('interaction', '--rewrite', 'wrong.txt').lines).toContain('1 passed, 0 failed');
    expect(readFileSync(join(folder, 'wrong.txt'), 'utf8')).toBe(interaction);
  });
});
