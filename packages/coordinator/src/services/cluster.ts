/** The cluster service: who the members are, whether one may stop, leadership, and the slots. */
import { CodedError, fromHex } from '@witan/core';
import type { MessageInitShape } from '@bufbuild/protobuf';
import {
  ClusterService,
  GetMembersResponse_Role,
  type ChangeSlotsRequest,
  type SlotChangeSchema,
} from '@witan/protocol';
import type { MemberReport } from '@witan/replica';
import type { SlotChange } from '@witan/state-machine';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import type { Operation } from '../operations.ts';
import { changeSlotsFromWire, memberToWire } from '../peers/wire.ts';
import {
  clusterIdBytes,
  clusterOf,
  currentView,
  publicly,
  READ_MS,
  WRITE_MS,
  type ServiceContext,
} from './context.ts';
import { askLeader, slotOf } from './lead.ts';
import { refusalOf } from './refusals.ts';

const ROLES: Readonly<Record<MemberReport['role'], GetMembersResponse_Role>> = {
  leader: GetMembersResponse_Role.LEADER,
  voter: GetMembersResponse_Role.VOTER,
  learner: GetMembersResponse_Role.LEARNER,
};

export function clusterService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof ClusterService, PeerClaims>(ClusterService, {
    getMembers: async () => {
      const report = await askLeader(context, { question: { case: 'members', value: {} } });
      // What owners sign comes from one state: slots, number of the list and transition (I5).
      const view = await currentView(context);
      const cluster = clusterOf(context);
      return {
        clusterId: clusterIdBytes(cluster),
        epoch: BigInt(cluster.epoch),
        term: BigInt(report.term),
        commitIndex: BigInt(report.commitIndex),
        slots: [...view.slots],
        slotChanges: view.slotChanges.map(changeToWire),
        transitionHash: fromHex(view.head),
        changeUnderWay: report.changeUnderWay,
        // A leader of before says nothing of versions.
        versionInUse: report.versionInUse ?? 0,
        members: report.members.map((member) => ({
          member: memberToWire(member),
          role: ROLES[member.role],
          reachable: member.reachable,
          matchIndex: BigInt(member.matchIndex),
          behind: BigInt(member.behind),
          leaving: member.leaving,
        })),
      };
    },

    canStop: async (request) => {
      const value = { slot: slotOf(request.slot) };
      const verdict = await askLeader(context, { question: { case: 'canStop', value } });
      const { safe, code, needed, ready, missing } = verdict;
      const clusterId = clusterIdBytes(clusterOf(context));
      return {
        clusterId,
        safe,
        code: code ?? '',
        needed,
        ready: [...ready],
        missing: [...missing],
      };
    },

    stepDown: async ({ term }) => {
      const ended = await askLeader(context, { question: { case: 'stepDown', value: { term } } });
      const clusterId = clusterIdBytes(clusterOf(context));
      return { clusterId, from: ended.from ?? '', to: ended.to, term: BigInt(ended.term) };
    },

    changeSlots: async (request) => {
      const operation = readChange(request);
      const { index, result } = await publicly(context.writer.execute(operation, WRITE_MS));
      if (result.kind !== 'slots-changed') throw refusalOf(result);
      const cluster = clusterOf(context);
      await publicly(cluster.engine.waitApplied(index, { timeoutMs: READ_MS }));
      const change = cluster.state.machine.slotChanges[result.number - 1];
      if (change === undefined) throw new Error('an applied change of the slots is recorded');
      context.counters.count('slots_changed');
      return { change: changeToWire(change), clusterId: clusterIdBytes(cluster) };
    },
  });
}

function readChange(request: ChangeSlotsRequest): Operation {
  try {
    return changeSlotsFromWire(request);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const message = 'the request is not acceptable';
    throw new PublicError('INVALID_ARGUMENT', 'REQUEST_INVALID', message, error.fields, error);
  }
}

function changeToWire(change: SlotChange): MessageInitShape<typeof SlotChangeSchema> {
  const { number, slots, transition, approvals, timeMs, index } = change;
  return {
    number: BigInt(number),
    slots: [...slots],
    transitionHash: fromHex(transition),
    approvedBy: approvals.map(({ ownerFingerprint }) => fromHex(ownerFingerprint)),
    timeMs: BigInt(timeMs),
    index: BigInt(index),
  };
}
