/**
 * Certificates with a DNS name or an address that the manifest in force no longer gives to their
 * workload. They follow from the manifests in the state, so every replica names the same (I5), and
 * no command has to say so. A name that comes back is given again.
 */
import { fromUtf8, generation, type UnixMillis } from '@witan/core';
import type { IssuedIdentity, StateView } from '@witan/state-machine';

type View = Pick<StateView<unknown>, 'generation' | 'manifest' | 'manifestBytes' | 'transitions'>;
type Issue = Pick<IssuedIdentity, 'generation' | 'workload'>;

/** What a certificate of some generation may hold. */
interface Names {
  readonly dnsNames?: readonly string[];
  readonly ipAddresses?: readonly string[];
}

/**
 * Since when a certificate holds a name too much, at the earliest: the manifest after its own.
 * Undefined where it holds none. A manifest so old that it is no longer kept counts as one that
 * gave more: whoever still fits has renewed since.
 */
export function takenNames(view: View): (record: Issue) => UnixMillis | undefined {
  const documents = new Map<number, Readonly<Record<string, Names>> | undefined>();
  const known = new Map<string, boolean>();
  const namesOf = (number: number, workload: string): Names | undefined => {
    if (!documents.has(number)) documents.set(number, workloadsOf(view, number));
    const workloads = documents.get(number);
    return workloads !== undefined && Object.hasOwn(workloads, workload)
      ? workloads[workload]
      : undefined;
  };
  const hasTooMany = ({ generation: number, workload }: Issue): boolean => {
    const now = view.manifest?.workloads.get(workload);
    // One that was dropped is revoked as a whole.
    if (number === view.generation || now === undefined) return false;
    const then = namesOf(number, workload);
    if (then === undefined) return true;
    const isGiven = (name: string): boolean =>
      now.dnsNames.includes(name) || now.ipAddresses.includes(name);
    return ![...(then.dnsNames ?? []), ...(then.ipAddresses ?? [])].every(isGiven);
  };
  return (record) => {
    const place = `${record.generation} ${record.workload}`;
    const isTaken = known.get(place) ?? hasTooMany(record);
    known.set(place, isTaken);
    // Generations count from 1, so this is the transition to the next one.
    return isTaken ? view.transitions[record.generation]?.transition.timeMs : undefined;
  };
}

/** Of a manifest that was found good when it was set: strict JSON, which has one reading. */
function workloadsOf(view: View, number: number): Readonly<Record<string, Names>> | undefined {
  const bytes = view.manifestBytes(generation(number));
  if (bytes === undefined) return undefined;
  const { workloads } = JSON.parse(fromUtf8(bytes)) as {
    readonly workloads: Readonly<Record<string, Names>>;
  };
  return workloads;
}
