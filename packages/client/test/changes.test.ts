/**
 * `verify` checks the approvals of rotations and of changes of slots again, by the owners who were
 * in force then: no replica is believed that they approved anything (I6).
 */
import { epoch, fromHex, slotName, type Sha256Hex } from '@witan/core';
import { makeOwner, TestLog, type ApprovedChange, type Owner } from '@witan/client/testing';
import { signP256 } from '@witan/keys';
import { rotationBytes, rotationOfText, slotChangeBytes, type LogLeaf } from '@witan/manifest';
import { PublicError } from '@witan/transport';
import { describe, expect, it } from 'vitest';
import type { VerifyCheck } from '../src/index.ts';
import { Stage } from './support/stage.ts';

const stage = new Stage();
const THREE = ['witan-0', 'witan-1', 'witan-2'].map(slotName);
const FIVE = [...THREE, slotName('witan-3'), slotName('witan-4')];

interface How {
  readonly by?: Owner;
  readonly at?: Sha256Hex;
  readonly inEpoch?: number;
}

/** Signs at the place that the cluster is at, and has the cluster record it. */
function rotated(words: string, how: How = {}): ApprovedChange {
  const { cluster } = stage.scene;
  const { by = stage.scene.alice, at = cluster.head, inEpoch = cluster.epoch } = how;
  const number = cluster.rotations.length;
  const step = rotationOfText(words) ?? expect.fail(words);
  const place = { clusterId: cluster.clusterId, epoch: epoch(inEpoch), previousTransition: at };
  const content = rotationBytes({ ...place, number, step });
  return record(cluster.rotations, content, by, at, { step: words });
}

function scaled(from = THREE, to = FIVE): ApprovedChange {
  const { cluster, alice } = stage.scene;
  const { clusterId, head: at, epoch: era } = cluster;
  const number = cluster.slotChanges.length;
  const place = { clusterId, epoch: epoch(era), previousTransition: at, number };
  const slots = { fromSlots: from, toSlots: to };
  return record(cluster.slotChanges, slotChangeBytes({ ...place, from, to }), alice, at, slots);
}

function record(
  list: ApprovedChange[],
  content: Uint8Array,
  by: Owner,
  at: Sha256Hex,
  what: ApprovedChange,
): ApprovedChange {
  const { cluster } = stage.scene;
  cluster.index += 1;
  const signature = signP256(by.privateKey, content);
  const approval = { ownerFingerprint: fromHex(by.pair.fingerprint), signature };
  const change = {
    number: BigInt(list.length + 1),
    transitionHash: fromHex(at),
    approvals: [approval],
    timeMs: BigInt(Date.now()),
    index: BigInt(cluster.index),
    ...what,
  };
  list.push(change);
  return change;
}

async function checked(): Promise<VerifyCheck> {
  const { checks } = await stage.scene.client().verify();
  return checks.find(({ name }) => name === 'changes') ?? expect.fail('no check');
}

async function nextManifest(): Promise<void> {
  const client = stage.scene.client();
  await stage.scene.set(client, stage.scene.manifest({ workloads: {} }));
}

describe('verify of rotations and changes of slots', () => {
  it('checks each at its own manifest and epoch, over as many answers as it takes', async () => {
    await stage.settled(1);
    const { cluster } = stage.scene;
    cluster.changesPageMax = 1;
    rotated('sealing');
    scaled();
    rotated('mesh-ca prepare');
    await nextManifest();
    rotated('root prepare');
    cluster.recover();
    rotated('root activate force');
    scaled(FIVE, THREE);
    const { kind, detail } = await checked();
    expect({ kind, detail }).toEqual({
      kind: 'passed',
      detail: '4 steps of rotations, 2 changes of slots',
    });
  });

  it.each<[string, (change: ApprovedChange) => unknown, string]>([
    [
      'a step in other words',
      (change) => (change.step = 'root prepare force'),
      'APPROVAL_SIGNATURE_INVALID',
    ],
    [
      'an approval that was changed',
      (change) => {
        change.approvals = change.approvals?.map((one) => ({
          ...one,
          signature: (one.signature ?? new Uint8Array()).with(3, 1),
        })) as NonNullable<ApprovedChange['approvals']>;
      },
      'APPROVAL_SIGNATURE_INVALID',
    ],
    ['no approval at all', (change) => (change.approvals = []), 'APPROVALS_TOO_FEW'],
    ['another number', (change) => (change.number = 3n), 'CHANGE_OUT_OF_ORDER'],
    ['a place before the one before', (change) => (change.index = 1n), 'CHANGE_OUT_OF_ORDER'],
    [
      'a transition that never was',
      (change) => (change.transitionHash = new Uint8Array(32).fill(7)),
      'CHANGE_OFF_HISTORY',
    ],
  ])('refuses %s by a code', async (_what, tamper, code) => {
    await stage.settled(1);
    rotated('sealing');
    tamper(rotated('root prepare'));
    const check = await checked();
    expect(check).toMatchObject({ kind: 'failed', code });
    expect(check.detail).toContain('rotations[1]');
    expect(check.expected).not.toBe('');
  });

  it('refuses what a stranger approved, and what was approved for another epoch', async () => {
    await stage.settled(1);
    rotated('sealing', { by: makeOwner('eve') });
    expect(await checked()).toMatchObject({ kind: 'failed', code: 'APPROVAL_UNKNOWN_OWNER' });
    stage.scene.cluster.rotations.length = 0;
    rotated('sealing', { inEpoch: 2 });
    expect(await checked()).toMatchObject({ kind: 'failed', code: 'APPROVAL_SIGNATURE_INVALID' });
  });

  it('refuses other slots than owners signed, and lists that do not go on', async () => {
    await stage.settled(1);
    const change = scaled();
    change.toSlots = [...THREE, 'evil-3', 'evil-4'];
    expect(await checked()).toMatchObject({ kind: 'failed', code: 'APPROVAL_SIGNATURE_INVALID' });
    change.toSlots = FIVE;
    scaled(THREE, FIVE);
    expect(await checked()).toMatchObject({ kind: 'failed', code: 'CHANGE_OUT_OF_ORDER' });
  });

  it('misses a record that the audit log tells of', async () => {
    await stage.settled(1);
    const { cluster } = stage.scene;
    rotated('sealing');
    const place = { epoch: 1, generation: 1, timeMs: Date.now(), index: cluster.index };
    const leaf = { ...place, kind: 'rotation', number: 1, step: 'sealing', version: 0 };
    cluster.log = new TestLog();
    cluster.log.append(leaf as unknown as LogLeaf);
    expect(await checked()).toMatchObject({ kind: 'passed' });
    cluster.rotations.length = 0;
    const missing = { kind: 'failed', code: 'CLIENT_LOG_INCONSISTENT' };
    expect(await checked()).toMatchObject({ ...missing, expected: 'rotation 1: sealing' });
  });

  it('says what it could not check: a build of before, an unknown step', async () => {
    await stage.settled(1);
    rotated('sealing');
    const [replica] = stage.scene.replicas;
    if (replica === undefined) throw new Error('one replica');
    replica.faults.before = (method) => {
      if (method !== 'getApprovedChanges') return;
      throw new PublicError('UNIMPLEMENTED', 'UNKNOWN_METHOD', 'a build of before');
    };
    expect(await checked()).toMatchObject({ kind: 'skipped' });
    delete replica.faults.before;
    replica.faults.changes = (answer) => ({
      ...answer,
      rotations: [{ number: 1n, step: 'moon shine' }],
    });
    const report = await stage.scene.client().verify();
    expect(report.ok).toBe(false);
    expect(report.replicas[0]?.code).toBe('CLIENT_ANSWER_MALFORMED');
  });
});
