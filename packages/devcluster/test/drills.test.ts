import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@witan/cli';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { addDrillCommands, refuseFailed } from '../src/drills/commands.ts';
import { describeReport, DRILL_NAMES, type DrillReport } from '../src/drills/report.ts';
import { COMMON_NEEDLES, filesBelow, foundIn } from '../src/drills/search.ts';
import { LogWatch } from '../src/drills/watch.ts';
import { patched } from '../testing/without-i2-patches.ts';

const NODE = new URL('../../coordinator/src/node.ts', import.meta.url);

const REPORT: DrillReport = {
  drill: 'rollback',
  ok: true,
  simulated: true,
  durationMs: 1_500,
  steps: [],
  acknowledged: 7,
  lost: 0,
  leaks: [],
  secondHistory: false,
  workloads: { connectionSurvived: true, messages: 12, certificatesAccepted: true },
  detected: [{ event: 'waiting: SLOTS_MISSING', count: 2, quoted: '{"msg":"waiting"}' }],
  failures: [],
};

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-drills-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

describe('the negative control', () => {
  it('finds the places where I2 is switched off, and only in the wiring', () => {
    const source = readFileSync(NODE, 'utf8');
    const changed = patched(NODE.href, source);
    expect(changed.split('witanWithoutI2')).toHaveLength(3);
    expect(patched('file:///packages/keys/src/identity.ts', source)).toBe(source);
    expect(() => patched(NODE.href, changed)).toThrow('not exactly once');
  });
});

describe('a report', () => {
  it('says what was lost, leaked, doubled and detected', () => {
    expect(describeReport(REPORT)).toMatchInlineSnapshot(`
      "
      Drill rollback (simulated TEE)
        acknowledged         7
        lost                 0
        keys leaked          none found
        second history       no
        workload connection  survived, 12 messages
        certificates         accepted as before
        detected
             2  waiting: SLOTS_MISSING
                {"msg":"waiting"}
      Everything held, in 1.5 s.
      "
    `);
  });

  it('that names a claim ends a command with DEVCLUSTER_DRILL_FAILED', () => {
    refuseFailed([REPORT]);
    const bad = { ...REPORT, ok: false, lost: 3, failures: ['nothing is lost, found 3'] };
    expect(describeReport(bad)).toContain('DID NOT HOLD: nothing is lost, found 3');
    expect(() => {
      refuseFailed([REPORT, bad]);
    }).toThrow(expect.objectContaining({ code: 'DEVCLUSTER_DRILL_FAILED' }));
  });
});

describe('the search for plaintext', () => {
  it('finds what is planted, and nothing else (I4)', async () => {
    await writeFile(join(directory, 'clean'), Buffer.alloc(1_000, 7));
    expect(await foundIn(await filesBelow(directory), COMMON_NEEDLES)).toEqual([]);
    for (const [name, needle] of COMMON_NEEDLES) {
      const path = join(directory, 'planted');
      await writeFile(path, Buffer.concat([Buffer.alloc(99, 1), needle, Buffer.alloc(9, 2)]));
      expect(await foundIn(await filesBelow(directory), COMMON_NEEDLES)).toContain(
        `${name}: ${path}`,
      );
    }
  });
});

describe('the watch over logs', () => {
  it('counts what was said since, by message and code, and quotes it', async () => {
    const log = join(directory, 'log');
    const line = (fields: object): string => `${JSON.stringify(fields)}\n`;
    const refusal = line({ msg: 'not admitted', code: 'SLOT_UNKNOWN' });
    await writeFile(log, refusal);
    const watch = new LogWatch();
    await watch.add(log);
    await writeFile(
      log,
      refusal +
        refusal.repeat(2) +
        line({ msg: 'channel refused', error: 'PEER_CLOSED: closed (x=1)' }) +
        line({ msg: 'of no interest' }) +
        'witan-coordinator: COORDINATOR_USAGE: wrong\n',
    );
    expect((await watch.detected()).map(({ event, count }) => `${count} ${event}`)).toEqual([
      '2 not admitted: SLOT_UNKNOWN',
      '1 channel refused: PEER_CLOSED',
      '1 COORDINATOR_USAGE',
    ]);
  });
});

describe('witan drill', () => {
  it.each(DRILL_NAMES)('%s has help with an example', async (name) => {
    let said = '';
    const hear = (text: string): void => {
      said += text;
    };
    const streams = { env: {}, stdout: hear, stderr: hear, extraCommands: addDrillCommands };
    expect(await run({ argv: ['drill', name, '--help'], ...streams })).toBe(0);
    expect(said).toContain(`witan drill ${name} --json`);
  });
});
