/** What a leader makes of a request that sets a manifest, as far as recovery shares go. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { clusterId, epoch, incarnationId, slotName, utf8 } from '@witan/core';
import {
  ShareCollector,
  createSeed,
  encodeShare,
  nodeCrypto,
  openShare,
  publicKeyPemOf,
  signP256,
  spkiFingerprint,
  spkiOf,
  systemClock,
} from '@witan/keys';
import { approvalBytes, manifestDigest, type RecoveryHeader } from '@witan/manifest';
import type { Prepared } from '@witan/replica';
import {
  StateMachine,
  decodeCommand,
  nodeIdOf,
  requestKey,
  type CommandResult,
} from '@witan/state-machine';
import { prepareOperation, type Operation } from '../src/operations.ts';

const CLUSTER = clusterId('c'.repeat(64));
const seed = createSeed();

interface Owner {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const alice: Owner = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const bob: Owner = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const carol: Owner = generateKeyPairSync('rsa', { modulusLength: 3072 });
const mallory: Owner = generateKeyPairSync('ec', { namedCurve: 'P-256' });

type State = StateMachine<ReferenceValues>;

function newState(): State {
  const incarnation = incarnationId('1'.repeat(64));
  const slot = slotName('witan-0');
  const member = { slot, incarnation, nodeId: nodeIdOf(incarnation), address: 'witan-0:1' };
  const genesis = { clusterId: CLUSTER, epoch: epoch(1), slots: [slot], members: [member] };
  return StateMachine.genesis(genesis, { parseReferenceValues, crypto: nodeCrypto });
}

/** Alice updates; these hold shares. */
function manifestOf(holders: readonly Owner[], threshold: number, updater = alice): Uint8Array {
  const entry = (owner: Owner, at: number) => {
    const roles = [
      ...(owner === updater ? ['update'] : []),
      ...(holders.includes(owner) ? ['recovery'] : []),
    ];
    return { name: `owner-${at}`, publicKey: publicKeyPemOf(owner.publicKey), roles };
  };
  const referenceValues = {
    tee: 'snp',
    hostData: '00'.repeat(32),
    measurement: ['c0'.repeat(48)],
    products: ['Genoa'],
    minimumTcb: { bootloader: 1, tee: 0, snp: 1, microcode: 1 },
  };
  const document = {
    apiVersion: 'witan.dev/v1',
    coordinators: [referenceValues],
    workloads: {},
    owners: [...new Set([updater, ...holders])].map(entry),
    updateThreshold: 1,
    ...(holders.length === 0 ? {} : { recoveryThreshold: threshold }),
  };
  return utf8(JSON.stringify(document));
}

let requests = 0;

function request(state: State, manifest: Uint8Array, by: Owner = alice): Operation {
  requests += 1;
  const subject = {
    clusterId: CLUSTER,
    previousTransition: state.head,
    manifestDigest: manifestDigest(manifest, nodeCrypto),
  };
  return {
    kind: 'set-manifest',
    requestKey: requestKey(new Uint8Array(16).fill(requests)),
    manifest,
    previousTransition: state.head,
    approvals: [
      {
        ownerFingerprint: spkiFingerprint(spkiOf(by.publicKey)),
        signature: signP256(by.privateKey, approvalBytes(subject)),
      },
    ],
  };
}

async function prepare(state: State, operation: Operation): Promise<Prepared<CommandResult>> {
  return await prepareOperation(operation, {
    seedOf: () => seed,
    candidateOf: () => undefined,
    view: state,
    confirm: () => Promise.resolve(),
    require: () => Promise.resolve(undefined),
    crypto: nodeCrypto,
    clock: systemClock,
  });
}

/** Prepares and applies; returns the header that the command carried. */
async function set(state: State, manifest: Uint8Array): Promise<Uint8Array | undefined> {
  const prepared = await prepare(state, request(state, manifest));
  if (prepared.kind !== 'command') return expect.fail(JSON.stringify(prepared));
  const { result } = state.apply(state.appliedIndex + 1, prepared.command, nodeCrypto);
  expect(result.kind).toBe('manifest-set');
  const command = decodeCommand(prepared.command);
  return command.kind === 'set-manifest' ? command.recoveryHeader : expect.fail();
}

async function combined(header: RecoveryHeader, owners: readonly Owner[]): Promise<boolean> {
  const collector = new ShareCollector(header);
  for (const { publicKey, privateKey } of owners) {
    const fingerprint = spkiFingerprint(spkiOf(publicKey));
    const dealt = header.shares.find(({ owner }) => owner === fingerprint);
    collector.add(encodeShare(await openShare(dealt?.jwe ?? '', privateKey)));
  }
  return collector.open().equals(seed);
}

describe('the leader', () => {
  it('deals shares of every kind of key with the first manifest, which give the seed', async () => {
    const state = newState();
    expect(await set(state, manifestOf([alice, bob, carol], 2))).toBeDefined();
    const header = state.shares.header ?? expect.fail();
    expect(header).toMatchObject({ clusterId: CLUSTER, resharing: 1, threshold: 2 });
    for (const pair of [
      [alice, bob],
      [bob, carol],
      [carol, alice],
    ]) {
      expect(await combined(header, pair)).toBe(true);
    }
    await expect(combined(header, [carol])).rejects.toMatchObject({ code: 'KEYS_SHARES_TOO_FEW' });
  });

  it('deals the same seed again when owners or threshold change, and only then', async () => {
    const state = newState();
    expect(await set(state, manifestOf([], 0))).toBeUndefined();
    expect(await set(state, manifestOf([bob], 1))).toBeDefined();
    const first = state.shares.header ?? expect.fail();
    expect(await set(state, manifestOf([bob], 1))).toBeUndefined();
    expect(state.shares.header).toBe(first);
    expect(await set(state, manifestOf([bob, carol], 1))).toBeDefined();
    expect(await set(state, manifestOf([bob, carol], 2))).toBeDefined();
    const third = state.shares.header ?? expect.fail();
    expect(third).toMatchObject({ resharing: 3, threshold: 2 });
    expect(await combined(third, [bob, carol])).toBe(true);
    // What an earlier set holds does not fit the newest header.
    const old = new ShareCollector(third);
    const share = await openShare(first.shares[0]?.jwe ?? '', bob.privateKey);
    expect(() => old.add(encodeShare(share))).toThrow(
      expect.objectContaining({ code: 'KEYS_SHARE_WRONG_RESHARING' }),
    );
    expect(await set(state, manifestOf([], 0))).toBeUndefined();
    expect(state.shares).toEqual({ resharing: 3, header: undefined });
  });

  it('deals nothing for a manifest that the owners in force did not approve', async () => {
    const state = newState();
    await set(state, manifestOf([alice], 1));
    const { shares } = state;
    const hostile = manifestOf([mallory], 1, mallory);
    const previewed = vi.spyOn(state, 'preview');
    const prepared = await prepare(state, request(state, hostile, mallory));
    expect(prepared).toMatchObject({
      kind: 'answer',
      result: { kind: 'refused', code: 'APPROVAL_UNKNOWN_OWNER' },
    });
    // Not even in a command that is thrown away is the seed encrypted to the stranger.
    const commands = previewed.mock.calls.map(([bytes]) => decodeCommand(bytes));
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) expect(command).toMatchObject({ recoveryHeader: undefined });
    expect(state.shares).toBe(shares);
  });

  it('that loses a race leaves the shares of the winner', async () => {
    const state = newState();
    await set(state, manifestOf([alice], 1));
    const late = await prepare(state, request(state, manifestOf([alice, bob], 1)));
    await set(state, manifestOf([alice, carol], 1));
    const { shares } = state;
    if (late.kind !== 'command') return expect.fail();
    const { result } = state.apply(state.appliedIndex + 1, late.command, nodeCrypto);
    expect(result.kind).toBe('conflict');
    expect(state.shares).toBe(shares);
    return undefined;
  });
});
