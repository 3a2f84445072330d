/**
 * `witan history`: every generation, who approved it, how it links to the one before; and every
 * full recovery (I7).
 */
import { recoveriesOf } from '@witan/client';
import type { CommandContext } from '../context.ts';
import { SIMULATED_WARNING, table } from '../printer.ts';
import { describeRecoveries, ownerNames, recoveriesToJson } from '../recoveries.ts';
import { trusted, type TrustOptions } from './trust.ts';

/** @throws CliError, ClientError */
export async function history(context: CommandContext, options: TrustOptions): Promise<void> {
  const trust = await trusted(context, options);
  const { client } = trust;
  try {
    const { history: verified, recovered, simulated } = await client.getHistory();
    const recoveries = recoveriesOf(recovered);
    const nameOf = ownerNames(trust);
    const records = verified.transitions.map((transition, index) => ({
      generation: transition.generation,
      epoch: transition.epoch,
      transitionHash: verified.hashes[index] ?? '',
      previous: transition.previous,
      manifestDigest: transition.manifestDigest,
      approvedBy: transition.approvals.map(({ ownerFingerprint }) => ownerFingerprint),
      time: new Date(transition.timeMs).toISOString(),
    }));
    const rows = records.map((record) => [
      String(record.generation),
      String(record.epoch),
      record.time,
      `${record.transitionHash.slice(0, 16)}…`,
      `${record.manifestDigest.slice(0, 16)}…`,
      record.approvedBy.map((owner) => nameOf(owner) ?? `${owner.slice(0, 12)}…`).join(', '),
    ]);
    const head = ['GEN', 'EPOCH', 'TIME (LEADER)', 'TRANSITION', 'MANIFEST', 'APPROVED BY'];
    context.printer.result(
      { ok: true, simulated, transitions: records, recoveries: recoveriesToJson(recoveries) },
      `${simulated ? SIMULATED_WARNING : ''}${table([head, ...rows])}` +
        describeRecoveries(recoveries, nameOf) +
        'The chain is unbroken and signed by the cluster.\n',
    );
  } finally {
    client.close();
  }
}
