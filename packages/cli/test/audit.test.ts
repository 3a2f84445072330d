/** `witan audit`: parts of the log, who holds certificates, and whose are revoked. */
import { describe, expect, it } from 'vitest';
import { epoch, generation, sha256Hex, slotName, unixMillis } from '@witan/core';
import { TestLog } from '@witan/client/testing';
import type { LeafEvent, LogLeaf } from '@witan/manifest';
import { useClusterDesk } from './support/cluster-desk.ts';

const HOUR_MS = 3_600_000;
const test = useClusterDesk();
const hash = sha256Hex('ab'.repeat(32));

interface Json {
  readonly [name: string]: unknown;
}

async function audit(...argv: readonly string[]) {
  const said = await test.desk.witan(['audit', ...argv, ...test.endpoints(), '--json']);
  return { ...said, json: JSON.parse(said.stdout) as Json };
}

/** A log with these events, one for each command. */
function logOf(...events: readonly LeafEvent[]): TestLog {
  const log = new TestLog();
  const place = { epoch: epoch(1), generation: generation(1), timeMs: unixMillis(1) };
  log.append(...events.map((event, at): LogLeaf => ({ index: at + 5, ...place, ...event })));
  return log;
}

function issued(workload: string, key: string, validMs = HOUR_MS): LeafEvent {
  const now = Date.now();
  return {
    kind: 'issuance',
    serial: key.repeat(16),
    workload,
    spkiSha256: sha256Hex(key.repeat(32)),
    evidenceSha256: hash,
    measurement: workload === 'web' ? 'aa' : 'bb',
    notBeforeMs: unixMillis(now - HOUR_MS),
    notAfterMs: unixMillis(now + validMs),
    servedBy: slotName('witan-0'),
  };
}

const approved = (number: number): LeafEvent => ({
  kind: 'approval',
  owner: hash,
  action: `generation ${number}`,
});

describe('audit measurements', () => {
  it('counts revoked certificates apart: nobody who loads lists accepts them', async () => {
    await test.set();
    test.scene.cluster.log = logOf(
      issued('web', '1a'),
      issued('db', '2a'),
      issued('web', '1b', -1),
      { kind: 'revocation', workloads: ['web'] },
      issued('web', '1c'),
      issued('web', '1c'),
    );
    const { code, json } = await audit('measurements');
    expect(code).toBe(0);
    expect(json['measurements']).toMatchObject([
      { workload: 'db', certificates: 1, keys: 1 },
      { workload: 'web', certificates: 2, keys: 1 },
    ]);
    expect(json['revoked']).toMatchObject([
      { workload: 'web', measurement: 'aa', certificates: 1 },
    ]);
    const { stdout } = await test.desk.witan(['audit', 'measurements', ...test.endpoints()]);
    expect(stdout).toMatch(/^web +2 .*\n.*Revoked, and refused by peers.*\nweb +1 /ms);
  });

  it('says that nobody holds any where all are revoked', async () => {
    await test.set();
    const log = logOf(issued('web', '1a'), { kind: 'revocation', workloads: ['db', 'web'] });
    test.scene.cluster.log = log;
    expect((await audit('measurements')).json).toMatchObject({
      measurements: [],
      revoked: [{ workload: 'web' }],
    });
  });
});

describe('a part of the log', () => {
  it('is what the answer is about, and the answer says so', async () => {
    await test.set();
    test.scene.cluster.log = logOf(...[1, 2, 3, 4, 5, 6].map(approved));
    const actions = async (...argv: readonly string[]) => {
      const { json } = await audit('approvals', ...argv);
      const all = json['approvals'] as readonly { readonly action: string }[];
      return {
        log: json['log'] as Json,
        numbers: all.map(({ action }) => Number(action.slice(11))),
      };
    };
    expect(await actions()).toMatchObject({
      numbers: [1, 2, 3, 4, 5, 6],
      log: { from: 0, to: 6, size: 6, complete: true },
    });
    expect(await actions('--from', '2', '--to', '4')).toMatchObject({
      numbers: [3, 4],
      log: { from: 2, to: 4, size: 6, complete: false },
    });
    expect(await actions('--limit', '1')).toMatchObject({ numbers: [6], log: { from: 5, to: 6 } });
    await test.desk.witan(['verify', ...test.endpoints()]);
    expect(await actions('--since-verified')).toMatchObject({ numbers: [], log: { from: 6 } });

    const text = await test.desk.witan([
      'audit',
      'approvals',
      '--from',
      '2',
      '--to',
      '4',
      ...test.endpoints(),
    ]);
    expect(text.stdout).toContain(
      'Every leaf from 2 to 3 of 6 was checked against the signed root',
    );
    expect(text.stdout).toContain('none of them is left out');
    expect(text.stdout).toContain('Leaves before 2 were not looked at.');
    expect(text.stdout).toContain('Leaves from 4 on were not looked at.');
    test.scene.cluster.log.keptFrom = 3;
    const kept = await test.desk.witan(['audit', 'approvals', ...test.endpoints()]);
    expect(kept.stdout).toContain('Leaves before 3 are no longer kept.');
  });

  it('that is none is refused', async () => {
    await test.set();
    test.scene.cluster.log = logOf(approved(1), approved(2));
    for (const part of [
      ['--from', '3'],
      ['--to', '3'],
      ['--from', '2', '--to', '2'],
      ['--limit', '0'],
      ['--from', '-1'],
      ['--limit', 'many'],
    ]) {
      const { code, json } = await audit('approvals', ...part);
      expect(code, part.join(' ')).toBe(2);
      expect(json).toMatchObject({ error: { code: 'CLI_USAGE' } });
    }
    // An end would hide what was revoked behind it.
    const ended = await test.desk.witan([
      'audit',
      'measurements',
      '--to',
      '1',
      ...test.endpoints(),
    ]);
    expect(ended.code).toBe(2);
  });
});
