/** What full recovery asks of another replica, over the channel to it. */
import { PeerService } from '@witan/protocol';
import type { Genesis, RecoveryNotice, Reopening } from '@witan/replica';
import { isListed } from '../evidence/rules.ts';
import type { PeerConnection } from './attested-peers.ts';
import { noticeFromWire, noticeToWire, withoutSecrets } from './recovery-wire.ts';
import { reopeningMessages } from './reopening.ts';
import { malformed } from './wire.ts';

const NOTICE_MS = 5_000;
/** A whole state goes with a reopening. */
const REOPENING_MS = 60_000;

/** @throws RemoteError, TransportError; CodedError for an answer that cannot be read */
export async function exchangeNotices(
  connection: Pick<PeerConnection, 'unary' | 'peer'>,
  notice: RecoveryNotice,
): Promise<RecoveryNotice> {
  const { peer } = connection;
  // A peer that is only listed may tell what it knows, and is told no secret (see services/peer).
  const told = noticeToWire(isListed(peer.claims) ? withoutSecrets(notice) : notice);
  const response = await connection.unary(
    PeerService.method.recover,
    { notice: told },
    { timeoutMs: NOTICE_MS },
  );
  const value = noticeFromWire(response.notice);
  if (value.self.incarnation !== peer.spkiSha256) throw malformed('sender of a notice');
  return value;
}

/** @throws RemoteError, TransportError */
export async function deliverReopening(
  connection: Pick<PeerConnection, 'stream'>,
  genesis: Genesis,
  reopening: Reopening,
): Promise<{ readonly accepted: boolean; readonly code: string }> {
  const responses = connection.stream(
    PeerService.method.deliverReopening,
    reopeningMessages(genesis, reopening),
    { timeoutMs: REOPENING_MS },
  );
  for await (const { accepted, code } of responses) return { accepted, code };
  throw malformed('reopening without an answer');
}
