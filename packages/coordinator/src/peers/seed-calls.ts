/** Handing the next seed to one member, over its attested connection (I1). */
import type { IncarnationId } from '@witan/core';
import { PeerService } from '@witan/protocol';
import type { SeedDelivery, SeedReceipt } from '@witan/replica';
import { isListed } from '../evidence/rules.ts';
import type { Line } from './lanes.ts';
import { seedDeliveryToWire } from './seed-wire.ts';

const CALL_MS = 5_000;

export async function deliverSeed(
  { connection, incarnation }: Pick<Line, 'connection' | 'incarnation'>,
  receiver: IncarnationId,
  delivery: SeedDelivery,
): Promise<SeedReceipt> {
  // It goes to the member that was attested for it and to nobody else (I1).
  if (incarnation !== receiver) return { accepted: false, code: 'ANOTHER_INCARNATION' };
  // One that may only let this replica in is told no secret (decision record 0045).
  if (isListed(connection.peer.claims)) return { accepted: false, code: 'NOT_SIMILAR' };
  const request = seedDeliveryToWire(delivery);
  const options = { timeoutMs: CALL_MS };
  const method = PeerService.method.deliverSeed;
  const { accepted, code } = await connection.unary(method, request, options);
  return { accepted, code };
}
