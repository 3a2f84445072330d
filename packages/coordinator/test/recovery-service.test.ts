/** What owners are answered who hand in shares; and what a status says of a recovery. */
import { create } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import {
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  toHex,
  type Secret,
} from '@witan/core';
import { createSeed, dealShares, encodeShare, generateOwnerKeyPair, openShare } from '@witan/keys';
import { loadApprovalPublicKey, loadOwnerPrivateKey, spkiOf } from '@witan/keys';
import { encodeFloor, encodeRecoveryHeader } from '@witan/manifest';
import {
  GetRecoveryRequestSchema,
  SubmitShareRequestSchema,
  type SubmitShareResponse,
} from '@witan/protocol';
import {
  ReplicaError,
  type RecoveryObstacle,
  type RecoveryProgress,
  type ShareSubmission,
} from '@witan/replica';
import { Metrics } from '@witan/telemetry';
import { CollectedShares } from '../src/recovery/share-desk.ts';
import type { ServiceContext } from '../src/services/context.ts';
import { explainProgress, progressToWire } from '../src/services/recovery-progress.ts';
import { recoveryService } from '../src/services/recovery.ts';

const CLUSTER = clusterId('c1'.repeat(32));
const OWNER = sha256Hex('a1'.repeat(32));
const SLOTS = [slotName('witan-0'), slotName('witan-1'), slotName('witan-2')];

function progress(change: Partial<RecoveryProgress> = {}): RecoveryProgress {
  return {
    clusterId: CLUSTER,
    shares: { received: 2, threshold: 3, owners: [OWNER], missing: [] },
    headers: [],
    seed: undefined,
    expected: SLOTS,
    answered: SLOTS.slice(0, 2),
    best: {
      incarnation: incarnationId('ab'.repeat(32)),
      clusterId: CLUSTER,
      epoch: epoch(1),
      opening: sha256Hex('00'.repeat(32)),
      term: 3,
      index: 8412,
      generation: generation(7),
      transitionHash: sha256Hex('7a'.repeat(32)),
      voters: [],
      votersOutgoing: [],
    },
    verified: false,
    givenUp: [],
    obstacle: { code: 'STATE_MISSING', slots: SLOTS.slice(2) },
    ...change,
  };
}

/** A replica without a cluster, as the service sees it. */
function service(refuse?: ReplicaError) {
  const desk = new CollectedShares();
  const seen: ShareSubmission[] = [];
  const replica = {
    submitShare: (submission: ShareSubmission) => {
      if (refuse !== undefined) throw refuse;
      seen.push(submission);
      return desk.add(submission.share);
    },
    recoveryProgress: () => (refuse === undefined ? progress({ shares: desk.count() }) : undefined),
  };
  const context = { replica, counters: new Metrics() } as unknown as ServiceContext;
  const registration = recoveryService(context);
  const call = async (name: string, request: object, peer: object): Promise<unknown> => {
    const found = registration.methods.find(({ method }) => method.localName === name);
    const handle = found?.handle as (request: object, context: object) => Promise<unknown>;
    return handle(request, { peer });
  };
  const connection = {};
  return {
    desk,
    seen,
    counters: context.counters,
    submit: async (init: object, peer: object = connection) =>
      (await call(
        'submitShare',
        create(SubmitShareRequestSchema, init),
        peer,
      )) as SubmitShareResponse,
    ask: () => call('getRecovery', create(GetRecoveryRequestSchema), connection),
  };
}

async function deal(cluster = CLUSTER) {
  const pair = generateOwnerKeyPair();
  const publicKey = spkiOf(loadApprovalPublicKey(pair.publicKeyPem));
  const dealt = { seed: createSeed(), clusterId: cluster, resharing: 1, threshold: 1 };
  const header = await dealShares({ ...dealt, owners: [publicKey] });
  const share = await openShare(
    header.shares[0]?.jwe ?? '',
    loadOwnerPrivateKey(pair.privateKeyPem),
  );
  return { header: encodeRecoveryHeader(header), share: encodeShare(share), owner: share.owner };
}

const copyOf = (share: Secret): Uint8Array => Uint8Array.from(share.expose());

describe('owners who hand in a share', () => {
  it('are told whose it is and how far the recovery is; the message holds it no more', async () => {
    const { submit, desk, seen, counters, ask } = service();
    const { header, share, owner } = await deal();
    desk.learn(header);
    const floor = {
      clusterId: CLUSTER,
      epoch: epoch(1),
      commitIndex: 9,
      generation: generation(2),
      transitionHash: OWNER,
    };
    const bytes = copyOf(share);
    const acceptMissing = ['witan-2'];
    const answer = await submit({ share: bytes, floor: encodeFloor(floor), acceptMissing });
    expect(toHex(answer.owner)).toBe(owner);
    expect(answer.progress?.sharesReceived).toBe(1);
    expect(seen).toMatchObject([{ floor, acceptMissing }]);
    expect(seen[0]?.share.expose().every((byte) => byte === 0)).toBe(true);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
    expect(desk.shares()[0]?.equals(share)).toBe(true);
    expect(counters.snapshot()).toMatchObject({ recovery_shares: 1 });
    expect(await ask()).toMatchObject({ progress: { sharesThreshold: 1 } });
  });

  it('are refused by code, and sent elsewhere where no header is known', async () => {
    const { submit, desk } = service();
    const { header, share } = await deal();
    const unknown = { code: 'KEYS_SHARE_HEADER_UNKNOWN', status: 'UNAVAILABLE' };
    await expect(submit({ share: copyOf(share) })).rejects.toMatchObject(unknown);
    desk.learn(header);
    const other = await deal(clusterId('c2'.repeat(32)));
    const wrong = { code: 'KEYS_SHARE_WRONG_CLUSTER', status: 'INVALID_ARGUMENT' };
    await expect(submit({ share: copyOf(other.share) })).rejects.toMatchObject(wrong);
    for (const request of [
      { share: new Uint8Array(0) },
      { share: new Uint8Array(5000) },
      { share: copyOf(share), floor: new Uint8Array(9) },
      { share: copyOf(share), acceptMissing: ['no slot!'] },
      { share: copyOf(share), acceptMissing: Array.from({ length: 65 }, () => 'witan-0') },
    ]) {
      const refusal = { code: 'REQUEST_INVALID', status: 'INVALID_ARGUMENT' };
      await expect(submit(request)).rejects.toMatchObject(refusal);
    }
    expect(desk.count().received).toBe(0);
  });

  it('are told that there is nothing to recover in a working cluster', async () => {
    const refusal = new ReplicaError('REPLICA_NOT_RECOVERING', 'in a working cluster');
    const { submit, ask } = service(refusal);
    const { share } = await deal();
    await expect(submit({ share: copyOf(share) })).rejects.toMatchObject({
      code: 'REPLICA_NOT_RECOVERING',
      status: 'FAILED_PRECONDITION',
    });
    expect(await ask()).toEqual({});
  });

  it('cannot try for ever on one connection (I10)', async () => {
    const { submit } = service();
    const peer = {};
    const codes = new Set<unknown>();
    for (let at = 0; at < 129; at += 1) {
      await submit({ share: new Uint8Array(9) }, peer).catch((error: { readonly code: string }) =>
        codes.add(error.code),
      );
    }
    expect([...codes]).toEqual(['KEYS_SHARE_MALFORMED', 'TOO_MANY_SHARES']);
    await expect(submit({ share: new Uint8Array(9) }, {})).rejects.toMatchObject({
      code: 'KEYS_SHARE_MALFORMED',
    });
  });
});

describe('the status of a recovery', () => {
  it('says what is there, what is missing, and the next step', () => {
    expect(explainProgress(progress())).toBe(
      'Sealed state is on disk and no cluster lives. 2 of 3 shares, 2 of 3 replicas, best state ' +
        'generation 7 index 8,412; waiting for witan-2: start it with the disk, or run witan ' +
        'recover --accept-missing witan-2.',
    );
    const open = progress({ obstacle: undefined, seed: 'memory' });
    expect(explainProgress(open)).toContain('seed in memory, 2 of 3 replicas');
    expect(explainProgress(open)).toContain('; the cluster opens.');
  });

  const verdict = { kind: 'lower-index', expected: 9000, found: 8412 } as const;
  it.each<readonly [RecoveryObstacle, object, string]>([
    [{ code: 'SHARES_MISSING', expected: 3, found: 2 }, { expected: '3 shares' }, 'with their sh'],
    [{ code: 'SEED_UNCONFIRMED' }, {}, 'open no disk'],
    [{ code: 'NO_STATE' }, {}, 'no replica that answers'],
    [{ code: 'PROMISES_MISSING', slots: SLOTS }, { slots: SLOTS }, 'are asked to take part'],
    [
      { code: 'BELOW_FLOOR', owner: OWNER, verdict },
      { expected: 'index 9000', found: 'index 8412' },
      'an owner has seen index 9000',
    ],
    [{ code: 'CLUSTERS_DIFFER', clusters: [CLUSTER] }, { found: CLUSTER }, 'different clusters'],
    [{ code: 'OPENINGS_DIFFER', openings: [OWNER] }, { found: OWNER }, 'opened twice'],
  ])('names %o', (obstacle, wire, text) => {
    const known = progress({ obstacle });
    expect(progressToWire(known).obstacle).toMatchObject({ code: obstacle.code, ...wire });
    expect(explainProgress(known)).toContain(text);
  });

  it('says nothing of a state that nobody has', () => {
    const none = progress({
      best: undefined,
      clusterId: undefined,
      obstacle: { code: 'NO_STATE' },
    });
    const wire = progressToWire(none);
    expect(wire).toMatchObject({ bestEpoch: 0n, clusterId: new Uint8Array(0) });
    expect(explainProgress(none)).toContain('no state');
  });
});
