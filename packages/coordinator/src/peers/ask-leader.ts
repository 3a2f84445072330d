/** One question to the replica that is taken for the leader, over a line that there is. */
import { describeError } from '@witan/core';
import { LeadService, type LeadRequestSchema } from '@witan/protocol';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { PeerConnection } from './attested-peers.ts';
import type { LeadAnswer } from '../services/lead.ts';

/** @returns how it went; a failed call decides nothing and can be repeated */
export async function askOver(
  connection: Pick<PeerConnection, 'unary'>,
  question: MessageInitShape<typeof LeadRequestSchema>,
  timeoutMs: number,
  onFailed: (error: string) => void,
): Promise<LeadAnswer> {
  try {
    const { answer, code } = await connection.unary(LeadService.method.lead, question, {
      timeoutMs,
    });
    if (code === '') return { kind: 'answer', answer };
    return code === 'REPLICA_NOT_LEADER' ? { kind: 'not-leader' } : { kind: 'failed', code };
  } catch (error) {
    onFailed(describeError(error));
    return { kind: 'failed', code: 'FORWARDING_FAILED' };
  }
}
