/** The leader's clock decides over expiry (I5), so a clock that is far off is worth a word. */
import type { CommandContext } from '../context.ts';

const CLOCKS_APART_MS = 5 * 60_000;

/** @param clusterMs the cluster's clock, milliseconds since 1970 */
export function noteClocks({ printer }: CommandContext, clusterMs: number): void {
  const apartMs = Date.now() - clusterMs;
  if (Math.abs(apartMs) < CLOCKS_APART_MS) return;
  const minutes = Math.round(Math.abs(apartMs) / 60_000);
  const side = apartMs < 0 ? 'behind' : 'ahead of';
  printer.note(
    `This machine's clock is ${minutes} minutes ${side} the cluster's: approvals may be refused ` +
      'as expired, or as lasting too long.\n',
  );
}
