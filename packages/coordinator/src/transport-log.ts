/** What happens on channels, in the log and in the counters. */
import { describeError } from '@witan/core';
import type { TransportEvent } from '@witan/transport';
import type { NodeOptions } from './node.ts';

/** A listener for the server's events. */
export function transportLog({
  log,
  counters,
  onEnd,
}: Pick<NodeOptions, 'log' | 'counters' | 'onEnd'>): (event: TransportEvent) => void {
  return (event) => {
    switch (event.kind) {
      case 'handshake-failed':
        counters.count('handshakes_refused');
        log.warn('channel refused', {
          remoteAddress: event.remoteAddress,
          error: describeError(event.error),
        });
        return;
      case 'connection-dropped':
        counters.count('connections_dropped');
        log.warn('connection dropped', { error: describeError(event.error) });
        return;
      case 'call-failed':
        log.warn('call failed', { method: event.method, error: describeError(event.error) });
        return;
      case 'listener-failed':
        onEnd({ kind: 'fatal', error: event.error });
        return;
      case 'connection-established':
        counters.count('channels_attested');
        return;
      case 'connection-closed':
        return;
      default:
        event satisfies never;
    }
  };
}
