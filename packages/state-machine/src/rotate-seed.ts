/** Deciding over the steps of the seed's rotation, and over the candidate that comes next. */
import type { Crypto, IncarnationId } from '@witan/core';
import {
  isSeedLinkSignatureValid,
  seedCommitment,
  versionsOf,
  SECRET_VERSION_MAX,
  rotationText,
  type Approval,
  type RotationStep,
  type SeedLink,
} from '@witan/manifest';
import type { RotateCommand } from './commands.ts';
import type { ActivatedSeed } from './lifecycle.ts';
import { nextShares } from './recovery-shares.ts';
import { refused, type CommandResult, type Refused } from './results.ts';
import { phaseFor } from './rotations.ts';
import type { SeedCandidate } from './seeds.ts';
import type { StateView } from './view.ts';

type SeedStep = RotationStep & { readonly target: 'seed' };

/** What deciding looks at. */
export type SeedView = Pick<
  StateView<unknown>,
  | 'clusterId'
  | 'epoch'
  | 'generation'
  | 'head'
  | 'historyPublicKey'
  | 'manifest'
  | 'members'
  | 'rotations'
  | 'shares'
>;

/** Members that are not known to hold the candidate, by slot. */
export function seedHoldersMissing({
  members,
  rotations,
}: Pick<SeedView, 'members' | 'rotations'>): readonly string[] {
  const holders = new Set<IncarnationId>(rotations.seeds.candidate?.holders ?? []);
  const lacking = members.filter(({ incarnation }) => !holders.has(incarnation));
  return [...new Set(lacking.map(({ slot }) => slot))].toSorted();
}

/** What still derives from a seed before the one in force, in words. */
export function seedDependencies({
  generation,
  manifest,
  rotations,
}: Pick<SeedView, 'generation' | 'manifest' | 'rotations'>): readonly string[] {
  const { seeds, root, meshCa } = rotations;
  const isFormer = (number: number): boolean => number < seeds.number;
  const needed: string[] = [];
  if (isFormer(rotations.seedOfRoot(root.active)) || root.phase !== 'idle') needed.push('root');
  const ofMeshCa = rotations.seedOfMeshCa(generation, meshCa.active);
  if (isFormer(ofMeshCa) || meshCa.phase !== 'idle') needed.push('mesh-ca');
  const secrets = new Set<string>();
  for (const { secrets: grants } of manifest?.workloads.values() ?? []) {
    for (const grant of grants) {
      const { name } = grant;
      const least = seeds.leastVersion(name);
      const versions = versionsOf(grant, rotations.secretVersion(name), least);
      if (versions.some((version) => isFormer(seeds.ofSecret(name, version)))) secrets.add(name);
    }
  }
  return [...needed, ...[...secrets].toSorted().map((name) => `secret ${name}`)];
}

/** Whether a step comes in its order, and is for the seed that members hold. */
export function refuseSeedStep(
  { seeds, root, meshCa }: SeedView['rotations'],
  step: SeedStep,
): Refused | undefined {
  const [ca] = [root, meshCa].filter(({ phase }) => phase !== 'idle');
  if (seeds.phase !== phaseFor(step.step) || ca !== undefined) {
    const found = ca === undefined ? seeds.phase : `a CA ${ca.phase}`;
    return refused('ROTATION_STEP_REFUSED', rotationText(step), phaseFor(step.step), found);
  }
  const { candidate } = seeds;
  if (step.step !== 'activate' || step.commitment === candidate?.commitment) return undefined;
  const expected = candidate?.commitment ?? 'a candidate that all members hold';
  return refused('ROTATION_SEED_COMMITMENT', 'seed', expected, step.commitment);
}

/** Who or what would be left behind by a step. */
export function refuseSeedLeft(view: SeedView, step: SeedStep): Refused | undefined {
  if (step.step === 'prepare') return undefined;
  if (step.step === 'retire') {
    const needed = seedDependencies(view);
    if (needed.length === 0) return undefined;
    const expected = 'nothing that derives from the former seed';
    return refused('ROTATION_SEED_NEEDED', 'seed retire', expected, needed.join(', '));
  }
  const missing = seedHoldersMissing(view);
  if (missing.length > 0) {
    const held = 'the next seed at every member';
    return refused('ROTATION_SEED_HOLDERS_MISSING', missing.join(', '), held, missing.length);
  }
  const versions = [...firstVersionsOf(view).values()];
  if (versions.every((version) => version <= SECRET_VERSION_MAX)) return undefined;
  return refused('ROTATIONS_FULL', 'secrets', SECRET_VERSION_MAX, SECRET_VERSION_MAX + 1);
}

/** What the owners have approved and the leader signs. @param approvals checked and in order */
export function seedLinkFor(
  view: SeedView,
  { step, timeMs }: Pick<RotateCommand, 'step' | 'timeMs'>,
  approvals: readonly Approval[],
): SeedLink | undefined {
  const { candidate } = view.rotations.seeds;
  if (step.target !== 'seed' || step.step !== 'activate' || candidate === undefined) {
    return undefined;
  }
  const { clusterId, epoch, generation, head: previousTransition, rotations } = view;
  const { number, digest: seedDigest, historyPublicKey } = candidate;
  const steps = rotations.records.length;
  const place = { clusterId, epoch, generation, previousTransition, steps };
  return { ...place, number, seedDigest, historyPublicKey, approvals, timeMs };
}

/**
 * The seed that a step puts into force. Last of all checks, so that a leader deals shares of it for
 * approved steps alone.
 *
 * @returns undefined for any other step
 */
export function activatedSeed(
  view: SeedView,
  command: RotateCommand,
  of: { readonly approvals: readonly Approval[]; readonly index: number; readonly crypto: Crypto },
): ActivatedSeed | Refused | undefined {
  const link = seedLinkFor(view, command, of.approvals);
  const { manifest, historyPublicKey } = view;
  const unfit = (found: string): Refused =>
    refused('ROTATION_SEED_LINK_UNFIT', 'seed', 'a link by the former history key', found);
  if (link === undefined) {
    return command.seed === undefined ? undefined : unfit('a link for another step');
  }
  if (manifest === undefined || historyPublicKey === undefined || command.seed === undefined) {
    return unfit('none');
  }
  const { linkSignature: signature, recoveryHeader } = command.seed;
  const signed = { link, signature };
  if (!isSeedLinkSignatureValid(signed, historyPublicKey, of.crypto)) return unfit('another');
  const shares = nextShares(view.clusterId, view.shares, manifest, recoveryHeader, true);
  if ('kind' in shares) return shares;
  const firstVersions = firstVersionsOf(view);
  return { record: { signed, index: of.index, firstVersions }, shares };
}

/** The next version of every secret that is listed, ascending by name. */
function firstVersionsOf({
  manifest,
  rotations,
}: Pick<SeedView, 'manifest' | 'rotations'>): ReadonlyMap<string, number> {
  const current = new Map<string, number>();
  for (const { secrets } of manifest?.workloads.values() ?? []) {
    for (const { name, version } of secrets) {
      current.set(name, Math.max(current.get(name) ?? 0, version, rotations.secretVersion(name)));
    }
  }
  const next = [...current].map(([name, version]): readonly [string, number] => [
    name,
    version + 1,
  ]);
  return new Map(next.toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

/**
 * Decides over a candidate. The first of its number counts, with as many holders as are named
 * later; another one only where no member holds it any more.
 */
export function decideSeedCandidate(
  {
    clusterId,
    members,
    rotations: { seeds },
  }: Pick<SeedView, 'clusterId' | 'members' | 'rotations'>,
  candidate: SeedCandidate,
  crypto: Crypto,
): { readonly result: CommandResult; readonly candidate?: SeedCandidate } {
  const { number } = candidate;
  if (seeds.phase !== 'prepared' || number !== seeds.number + 1) {
    const expected = `a candidate for seed ${seeds.number + 1} behind its step prepare`;
    const found = `${seeds.phase}, for seed ${number}`;
    return { result: refused('ROTATION_STEP_REFUSED', 'seed candidate', expected, found) };
  }
  const commitment = seedCommitment(
    { ...candidate, clusterId, seedDigest: candidate.digest },
    crypto,
  );
  if (commitment !== candidate.commitment) {
    const { commitment: found } = candidate;
    return { result: refused('ROTATION_SEED_COMMITMENT', 'seed candidate', commitment, found) };
  }
  const known = seeds.candidate;
  const isHeld = members.some(({ incarnation }) => known?.holders.includes(incarnation) === true);
  if (known !== undefined && known.digest !== candidate.digest && isHeld) {
    const { digest: found } = candidate;
    return {
      result: refused('ROTATION_SEED_CANDIDATE_KNOWN', 'seed candidate', known.digest, found),
    };
  }
  return { result: { kind: 'seed-candidate', number }, candidate };
}
