/**
 * Learning the commit index from a refused vote.
 *
 * A membership counts from when it is applied. A leader that is removed by a change steps down, and
 * its news of the commit may be lost: the remaining voters then hold the entry, still follow the
 * old membership, and may need the votes of removed members whose logs are longer. Those refuse,
 * and can never campaign themselves. So a refusal names what the voter knows to be committed; a
 * candidate that holds the same entry commits it, applies the change, and needs their votes no
 * more. (TiKV's raft solves the same deadlock with fields of its vote messages.)
 *
 * This is safe: at most one entry is ever committed at an index, and logs that agree on an entry
 * agree on all before it (Raft paper, figure 3).
 */
import { numberFromBytes, numberToBytes } from './bytes.ts';
import type { Core } from './core.ts';
import { RaftError } from './errors.ts';
import { NO_BYTES, type Message } from './types.ts';

const HINT_BYTES = 16;

/** The context of a refusal: commit index and the term of the entry there. */
export function commitHint(core: Core): Uint8Array {
  if (!core.config.commitHints) return NO_BYTES;
  const index = core.log.committed;
  const term = core.log.term(index);
  if (index === 0 || term === undefined) return NO_BYTES;
  const bytes = new Uint8Array(HINT_BYTES);
  bytes.set(numberToBytes(index), 0);
  bytes.set(numberToBytes(term), 8);
  return bytes;
}

/**
 * Commits what the refusal shows to be committed, if this log holds it.
 * @returns whether the commit index advanced
 * @throws RaftError RAFT_MESSAGE_INVALID
 */
export function learnCommit(core: Core, message: Message): boolean {
  const { context } = message;
  if (!core.config.commitHints || context.byteLength === 0) return false;
  const index = numberFromBytes(context.subarray(0, 8));
  const term = numberFromBytes(context.subarray(8));
  if (context.byteLength !== HINT_BYTES || index === undefined || term === undefined) {
    throw new RaftError('RAFT_MESSAGE_INVALID', 'commit hint of a refused vote is malformed', {
      type: message.type,
    });
  }
  if (index <= core.log.committed || !core.log.matchesTerm(index, term)) return false;
  core.log.commitTo(index);
  return true;
}
