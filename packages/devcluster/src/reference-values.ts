/** What an owner would get from the builder of the images; here it follows from the sources. */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { configIdOf, type ProgramSpec, type TeeSimClient } from '@witan/tee-sim';
import type { Layout } from './layout.ts';

/** What a guest runs in. */
export type Tee = 'snp' | 'tdx';

/**
 * What a development cluster runs on. `mixed` is founded on SEV-SNP, since a founding has one kind
 * of hardware, and has a manifest that accepts both.
 */
export type TeeChoice = Tee | 'mixed';

/** All choices, for the command line. */
export const TEE_CHOICES: readonly TeeChoice[] = ['snp', 'tdx', 'mixed'];

/** The kinds that the manifest of a cluster accepts. */
export function acceptedTees(choice: TeeChoice): readonly Tee[] {
  return choice === 'mixed' ? ['snp', 'tdx'] : [choice];
}

/** The kind on which the replicas of a cluster are founded. */
export function foundingTee(choice: TeeChoice): Tee {
  return choice === 'mixed' ? 'snp' : choice;
}

/** Fingerprints of the development roots that a cluster accepts (I11). */
export async function developmentRootsOf(
  client: TeeSimClient,
  choice: TeeChoice,
): Promise<readonly string[]> {
  const { rootFingerprint, tdxRootFingerprint } = await client.info();
  const roots: Readonly<Record<Tee, string>> = { snp: rootFingerprint, tdx: tdxRootFingerprint };
  return acceptedTees(choice).map((tee) => roots[tee]);
}

type Program = string | ProgramSpec;

/** Reference values of the Coordinators, one for each kind, without their configuration. */
export async function coordinatorValuesOf(
  client: TeeSimClient,
  choice: TeeChoice,
  program: Program = 'coordinator',
): Promise<readonly object[]> {
  return await Promise.all(acceptedTees(choice).map((tee) => VALUES[tee](client, [program])));
}

/** Writes the file that `witan generate` reads. */
export async function writeReferenceValues(
  layout: Layout,
  client: TeeSimClient,
  plan: {
    readonly choice: TeeChoice;
    /** Measured configurations of the Coordinators: of all that may be members. */
    readonly initdata: readonly string[];
    readonly endpoints: readonly string[];
    readonly workloadPrograms: readonly Program[];
    readonly coordinator: Program;
  },
): Promise<void> {
  const values = await coordinatorValuesOf(client, plan.choice, plan.coordinator);
  const coordinators = plan.initdata.flatMap((document) =>
    configured(values, acceptedTees(plan.choice), document),
  );
  const tees = acceptedTees(plan.choice);
  const document = {
    coordinators,
    workload: await Promise.all(tees.map((tee) => VALUES[tee](client, plan.workloadPrograms))),
    coordinatorEndpoints: plan.endpoints,
  };
  await writeFile(layout.referenceValues, `${JSON.stringify(document, null, 2)}\n`);
}

/** Reference values of Coordinators with one measured configuration. */
export function configured(
  values: readonly object[],
  tees: readonly Tee[],
  initdata: string,
): readonly object[] {
  const digest = createHash('sha256').update(initdata).digest();
  const configuration: Readonly<Record<Tee, object>> = {
    snp: { hostData: digest.toString('hex') },
    tdx: { mrConfigId: Buffer.from(configIdOf(digest)).toString('hex') },
  };
  return tees.map((tee, index) => ({ ...values[index], ...configuration[tee] }));
}

/** Reference values of programs, without the configuration. */
const VALUES: Readonly<
  Record<Tee, (client: TeeSimClient, programs: readonly Program[]) => Promise<object>>
> = {
  snp: async (client, programs) => {
    const { product, tcb, rootFingerprint } = await client.info();
    return {
      tee: 'snp',
      products: [product],
      minimumTcb: tcb,
      developmentRoots: [rootFingerprint],
      measurement: await Promise.all(programs.map((program) => client.measure(program))),
    };
  },
  tdx: async (client, programs) => {
    const { tdxRootFingerprint } = await client.info();
    const measured = await Promise.all(programs.map((program) => client.measureTdx(program)));
    const register = (index: number): readonly string[] => [
      ...new Set(measured.map(({ rtmrs }) => rtmrs[index] ?? '')),
    ];
    return {
      tee: 'tdx',
      mrTd: [...new Set(measured.map(({ mrTd }) => mrTd))],
      rtmr0: register(0),
      rtmr1: register(1),
      rtmr2: register(2),
      rtmr3: register(3),
      developmentRoots: [tdxRootFingerprint],
    };
  },
};
