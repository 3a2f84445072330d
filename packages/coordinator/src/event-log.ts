/** The driver's events in the log, and those that tell of somebody refused in the counters too. */
import { REFUSAL_EVENTS } from '@witan/replica';
import type { CounterName } from '@witan/telemetry';
import type { NodeOptions } from './node.ts';

const COUNTERS: ReadonlyMap<string, CounterName> = new Map([
  [REFUSAL_EVENTS.clone, 'clones_refused'],
  [REFUSAL_EVENTS.zombie, 'zombies_refused'],
  [REFUSAL_EVENTS.slot, 'foreign_slots_refused'],
  [REFUSAL_EVENTS.cluster, 'foreign_clusters_refused'],
  [REFUSAL_EVENTS.epoch, 'foreign_epochs_refused'],
  [REFUSAL_EVENTS.version, 'old_versions_refused'],
]);

/** A listener for the driver's events. */
export function eventLog({
  log,
  counters,
}: Pick<NodeOptions, 'log' | 'counters'>): (
  event: string,
  fields: Readonly<Record<string, string | number>>,
) => void {
  return (event, fields) => {
    const counter = COUNTERS.get(event);
    if (counter === undefined) {
      log.info(event, fields);
      return;
    }
    counters.count(counter);
    log.warn(event, fields);
  };
}
