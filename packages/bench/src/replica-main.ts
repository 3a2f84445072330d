/**
 * One replica of the benchmark as a process: the real engine, core, journal and replication
 * streams, behind etcd's KV calls. Started by witan-system.ts with its settings as JSON; ends with
 * its parent.
 */
import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { runReplica, type ReplicaSettings } from './replica.ts';

const settings = JSON.parse(process.argv[2] ?? '{}') as ReplicaSettings;
process.on('disconnect', () => {
  process.exit(0);
});
const replica = await runReplica({
  ...settings,
  directory: join(settings.directory, `replica-${settings.id}`),
  randomInt: (bound) => randomInt(bound),
});
process.on('message', (message: { readonly ask: string }) => {
  if (message.ask === 'figures') process.send?.(replica.figures());
});
process.send?.({ ready: true });
