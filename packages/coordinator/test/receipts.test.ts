/**
 * What a replica answers about leaves that its log no longer holds. The log is the real one with a
 * smaller window; around it is only what an answer takes.
 */
import { describe, expect, it } from 'vitest';
import {
  CanonicalWriter,
  clusterId,
  epoch,
  generation,
  sha256Hex,
  toHex,
  unixMillis,
} from '@witan/core';
import { createSeed, deriveHistorySigningKey, nodeCrypto, spkiOf, systemClock } from '@witan/keys';
import {
  decodeSignedHighWaterMark,
  leafHash,
  MerkleLog,
  NO_TRANSITION,
  verifyReceipt,
} from '@witan/manifest';
import { AuditLog, LeafWindow } from '@witan/state-machine/testing';
import type { ServiceContext } from '../src/services/context.ts';
import { consistencyOf, leavesOf, receiptOf } from '../src/services/receipts.ts';

const CLUSTER = clusterId('c1'.repeat(32));
const seed = createSeed();
const historyPublicKey = spkiOf(deriveHistorySigningKey(seed, CLUSTER));
const PAGE = 256;

/** A replica whose log had so many leaves, of which it keeps as many as are said. */
function replicaWith(leaves: number, hashesMax: number, leavesMax: number): ServiceContext {
  const tree = new MerkleLog(nodeCrypto, {
    tileLevel: 8,
    blockLevel: 10,
    leafHashesMax: hashesMax,
    tiledLeavesMax: 4 * PAGE,
  });
  const window = new LeafWindow(0, { leavesMax, bytesMax: 2 ** 30 });
  const log = new AuditLog(nodeCrypto, { tree, leaves: window });
  const owner = sha256Hex('ab'.repeat(32));
  for (let at = 0; at < leaves; at += 1) {
    log.append({
      kind: 'approval',
      owner,
      action: `generation ${at}`,
      index: at + 5,
      epoch: epoch(1),
      generation: generation(at),
      timeMs: unixMillis(at),
    });
  }
  const floor = {
    clusterId: CLUSTER,
    epoch: epoch(1),
    commitIndex: leaves + 5,
    generation: generation(leaves),
    transitionHash: NO_TRANSITION,
  };
  const rotations = { seeds: { number: 1 } };
  const machine = { log, historyPublicKey, generation: leaves, floor: () => floor, rotations };
  const cluster = {
    clusterId: CLUSTER,
    seeds: { of: () => seed },
    engine: { readBarrier: () => Promise.resolve(floor.commitIndex) },
    state: { machine },
  };
  const context = { replica: { cluster }, clock: systemClock, crypto: nodeCrypto };
  return context as unknown as ServiceContext;
}

const byIndex = (value: number) => ({ leaf: { case: 'index' as const, value: BigInt(value) } });

interface WireMark {
  readonly mark: Uint8Array;
  readonly signature: Uint8Array;
}

type Request = Parameters<typeof receiptOf>[1];

describe('a log that has dropped leaves', () => {
  it('gives receipts of those that it keeps, under a signed head', async () => {
    const context = replicaWith(10 * PAGE, 4 * PAGE, 4 * PAGE);
    for (const index of [6 * PAGE, 7 * PAGE + 3, 10 * PAGE - 1]) {
      const receipt = await receiptOf(context, byIndex(index) as Request);
      const { mark, signature } = receipt.highWaterMark as WireMark;
      const signed = decodeSignedHighWaterMark(
        new CanonicalWriter().fixed(mark).bytes(signature).finish(),
      );
      const leaf = receipt.leaf ?? expect.fail();
      const whole = { leaf, index, path: receipt.path ?? [], mark: signed, historyPublicKey };
      const trust = { clusterId: CLUSTER, historyPublicKey };
      expect(verifyReceipt(whole, trust, nodeCrypto).leaf).toMatchObject({
        action: `generation ${index}`,
      });
    }
  });

  it('says of others that it does not keep them, and from where it does', async () => {
    const context = replicaWith(10 * PAGE, 4 * PAGE, 4 * PAGE);
    await expect(receiptOf(context, byIndex(6 * PAGE - 1) as Request)).rejects.toMatchObject({
      code: 'LEAF_UNKNOWN',
      fields: { expected: `leaves ${6 * PAGE} to ${10 * PAGE - 1}` },
    });
    // Dropped with its certificate's place known, or its generation.
    const update = { leaf: { case: 'generation' as const, value: 7n } } as Request;
    await expect(receiptOf(context, update)).rejects.toMatchObject({ code: 'LEAF_UNKNOWN' });
  });

  it('gives MERKLE_PRUNED where it has the leaf and no longer what proves it', async () => {
    const context = replicaWith(10 * PAGE, 2 * PAGE, 4 * PAGE);
    const asked = receiptOf(context, byIndex(7 * PAGE) as Request);
    await expect(asked).rejects.toMatchObject({ code: 'MERKLE_PRUNED' });
    const seen = consistencyOf(context, { size: 77n } as never);
    await expect(seen).rejects.toMatchObject({ code: 'MERKLE_PRUNED' });
    // The end of a tile is kept for longer.
    const tile = await consistencyOf(context, { size: BigInt(7 * PAGE) } as never);
    expect(tile.path?.length).toBeGreaterThan(0);
  });

  it('gives pages from the oldest leaf that it keeps, in front of a frontier', async () => {
    const context = replicaWith(10 * PAGE, 4 * PAGE, 4 * PAGE);
    const page = await leavesOf(context, { from: 3n, size: 0n } as never);
    expect(Number(page.from)).toBe(6 * PAGE);
    const log = MerkleLog.fromFrontier(6 * PAGE, page.frontier ?? [], nodeCrypto);
    for (const bytes of page.leaves ?? []) log.append(leafHash(bytes, nodeCrypto));
    const { cluster } = context.replica;
    const head = cluster?.state.machine.log.head() ?? expect.fail();
    expect(log.size).toBe(head.size);
    expect(toHex(log.head().root)).toBe(toHex(head.root));
    const empty = await leavesOf(context, { from: 2n ** 53n - 1n, size: 0n } as never);
    expect(empty).toMatchObject({ from: BigInt(10 * PAGE), leaves: [] });
  });
});
