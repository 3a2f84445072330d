/** The cluster service: who the members are, whether one may stop, and leadership. */
import { ClusterService, GetMembersResponse_Role } from '@witan/protocol';
import type { MemberReport } from '@witan/replica';
import { serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { memberToWire } from '../peers/wire.ts';
import { clusterIdBytes, clusterOf, type ServiceContext } from './context.ts';
import { askLeader, slotOf } from './lead.ts';

const ROLES: Readonly<Record<MemberReport['role'], GetMembersResponse_Role>> = {
  leader: GetMembersResponse_Role.LEADER,
  voter: GetMembersResponse_Role.VOTER,
  learner: GetMembersResponse_Role.LEARNER,
};

export function clusterService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof ClusterService, PeerClaims>(ClusterService, {
    getMembers: async () => {
      const report = await askLeader(context, { question: { case: 'members', value: {} } });
      const cluster = clusterOf(context);
      return {
        clusterId: clusterIdBytes(cluster),
        epoch: BigInt(cluster.epoch),
        term: BigInt(report.term),
        commitIndex: BigInt(report.commitIndex),
        slots: [...report.slots],
        changeUnderWay: report.changeUnderWay,
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
  });
}
