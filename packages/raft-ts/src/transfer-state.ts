/** Ending a leadership transfer. Apart from transfer.ts so that role changes can end one, too. */
import type { Core } from './core.ts';
import { NO_NODE } from './types.ts';

/** Lets the leader take proposals again. */
export function abortTransfer(core: Core): void {
  if (core.leadTransferee === NO_NODE) return;
  core.emit({ kind: 'transfer-aborted', to: core.leadTransferee });
  core.leadTransferee = NO_NODE;
}
