/** The audit service: what was issued, answered from the replicated records (I5). */
import { fromHex, toHex } from '@witan/core';
import { AuditService } from '@witan/protocol';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { approvedChangesOf } from './approved-changes.ts';
import { consistencyOf, leavesOf, receiptOf } from './receipts.ts';
import { clusterOf, currentView, signedMark, type ServiceContext } from './context.ts';

const SERIALS_MAX = 4096;

export function auditService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof AuditService, PeerClaims>(AuditService, {
    getIdentities: async (request) => {
      if (request.serials.length > SERIALS_MAX) {
        const fields = { expected: SERIALS_MAX, found: request.serials.length };
        const message = 'too many serial numbers in one request';
        throw new PublicError('INVALID_ARGUMENT', 'TOO_MANY_SERIALS', message, fields);
      }
      const view = await currentView(context);
      const records = request.serials.flatMap((serial) => view.issuedBySerial(toHex(serial)) ?? []);
      return {
        identities: records.map((record) => ({
          serial: fromHex(record.serial),
          workload: record.workload,
          spkiSha256: fromHex(record.spkiSha256),
          evidenceSha256: fromHex(record.evidenceSha256),
          generation: BigInt(record.generation),
          notBeforeMs: BigInt(record.notBeforeMs),
          notAfterMs: BigInt(record.notAfterMs),
          servedBy: record.servedBy,
          index: BigInt(record.index),
        })),
        ...(view.manifest === undefined
          ? {}
          : { highWaterMark: signedMark(context, clusterOf(context)) }),
      };
    },

    getReceipt: (request) => receiptOf(context, request),
    getLeaves: (request) => leavesOf(context, request),
    getConsistency: (request) => consistencyOf(context, request),
    getApprovedChanges: (request) => approvedChangesOf(context, request),
  });
}
