/** Reading the membership changes among entries. */
import { decodeConfChange, decodeConfChangeV2 } from './codec.ts';
import { asConfChangeV2, type ConfChangeV2 } from './membership/conf-change.ts';
import type { Entry } from './types.ts';

/** Most bytes of an encoded membership change that a leader takes from a peer. */
const CONF_CHANGE_BYTES_MAX = 1024 * 1024;

/**
 * The change that an entry holds; undefined if it holds none.
 * @throws RaftError RAFT_CODEC_… if the bytes are not a change
 */
export function decodeChange(entry: Entry): ConfChangeV2 | undefined {
  switch (entry.type) {
    case 'EntryNormal':
      return undefined;
    case 'EntryConfChange':
      return asConfChangeV2(decodeConfChange(entry.data, CONF_CHANGE_BYTES_MAX));
    case 'EntryConfChangeV2':
      return decodeConfChangeV2(entry.data, CONF_CHANGE_BYTES_MAX);
  }
}
