/** The rotation service: what was rotated, steps of rotations, and what is revoked. */
import type { ReferenceValues } from '@witan/attestation';
import { CodedError, fromHex } from '@witan/core';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  RotationService,
  type CaStatusSchema,
  type RotateRequest,
  type RotationRecordSchema,
  type SeedStatusSchema,
} from '@witan/protocol';
import { rotationText } from '@witan/manifest';
import {
  seedDependencies,
  seedHoldersMissing,
  type CaState,
  type RotationRecord,
  type StateView,
} from '@witan/state-machine';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import type { Operation } from '../operations.ts';
import { rotateFromWire } from '../peers/wire.ts';
import {
  clusterIdBytes,
  clusterOf,
  currentView,
  publicly,
  READ_MS,
  signedMark,
  WRITE_MS,
  type ServiceContext,
} from './context.ts';
import { refusalOf } from './refusals.ts';
import { revocationsOf } from './revocations.ts';

/** Most things that are named as those that derive from the former seed. */
const NEEDED_SHOWN = 64;
/** Most workloads that are named as those that a step waits for. */
const WORKLOADS_SHOWN = 64;

export function rotationService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof RotationService, PeerClaims>(RotationService, {
    getRotations: async () => {
      const view = await currentView(context);
      const cluster = clusterOf(context);
      const { rotations, manifest } = view;
      const now = context.clock.now();
      return {
        clusterId: clusterIdBytes(cluster),
        epoch: BigInt(view.epoch),
        transitionHash: fromHex(view.head),
        records: rotations.records.map(recordToWire),
        root: caToWire(view, rotations.root, now),
        meshCa: caToWire(view, rotations.meshCa, now),
        seed: seedToWire(view),
        sealingPending: cluster.isRekeyingDue,
        ...(manifest === undefined ? {} : { highWaterMark: signedMark(context, cluster) }),
      };
    },

    rotate: async (request) => {
      const operation = readRotate(request);
      const { index, result } = await publicly(context.writer.execute(operation, WRITE_MS));
      if (result.kind !== 'rotated') throw refusalOf(result);
      const cluster = clusterOf(context);
      await publicly(cluster.engine.waitApplied(index, { timeoutMs: READ_MS }));
      const record = cluster.state.machine.rotations.records[result.number - 1];
      if (record === undefined) throw new Error('an applied step of a rotation is recorded');
      context.counters.count('rotation_steps');
      return { record: recordToWire(record), clusterId: clusterIdBytes(cluster) };
    },

    getRevocations: async () => {
      const view = await currentView(context);
      const cluster = clusterOf(context);
      if (view.manifest === undefined) return { clusterId: clusterIdBytes(cluster) };
      const number = BigInt(view.revocationNumber);
      const highWaterMark = signedMark(context, cluster);
      const { lists, listsLeftOut, revoked, revokedCount } = revocationsOf(context, cluster);
      return {
        clusterId: clusterIdBytes(cluster),
        number,
        revoked: revoked.map((record) => ({
          serial: fromHex(record.serial),
          workload: record.workload,
          revokedMs: BigInt(record.revokedAt),
          notAfterMs: BigInt(record.notAfterMs),
        })),
        revocationLists: [...lists],
        revokedCount: BigInt(revokedCount),
        listsLeftOut,
        highWaterMark,
      };
    },
  });
}

function readRotate(request: RotateRequest): Operation {
  try {
    return rotateFromWire(request);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const message = 'the request is not acceptable';
    throw new PublicError('INVALID_ARGUMENT', 'REQUEST_INVALID', message, error.fields, error);
  }
}

function caToWire(
  view: StateView<ReferenceValues>,
  { phase, active, sinceIndex }: CaState,
  now: number,
): MessageInitShape<typeof CaStatusSchema> {
  const left = phase === 'idle' ? undefined : view.held.holdersLeft(sinceIndex, now);
  return {
    phase,
    active: BigInt(active),
    holdersLeft: BigInt(left?.count ?? 0),
    workloadsLeft: left?.workloads.slice(0, WORKLOADS_SHOWN) ?? [],
  };
}

function seedToWire(view: StateView<ReferenceValues>): MessageInitShape<typeof SeedStatusSchema> {
  const { phase, number, candidate } = view.rotations.seeds;
  return {
    phase,
    number: BigInt(number),
    ...(candidate && { commitment: fromHex(candidate.commitment) }),
    slotsLeft: phase === 'prepared' ? [...seedHoldersMissing(view)] : [],
    neededBy: phase === 'activated' ? seedDependencies(view).slice(0, NEEDED_SHOWN) : [],
  };
}

function recordToWire(record: RotationRecord): MessageInitShape<typeof RotationRecordSchema> {
  return {
    number: BigInt(record.number),
    step: rotationText(record.step),
    version: BigInt(record.version),
    transitionHash: fromHex(record.transition),
    approvedBy: record.approvals.map(({ ownerFingerprint }) => fromHex(ownerFingerprint)),
    timeMs: BigInt(record.timeMs),
    index: BigInt(record.index),
  };
}
