/**
 * Reference values for SEV-SNP: what a manifest demands of a guest's report.
 *
 * The object is plain JSON. `parseSnpReferenceValues` fills in the defaults, which are always the
 * stricter choice, and refuses unknown fields. Every list is an allow list; a list that is left out
 * is not checked. Measurement, host data, product and minimum TCB cannot be left out.
 */
import { ObjectReader } from '../schema.ts';
import { PLATFORM_FLAGS, type PlatformFlag } from './flags.ts';
import { SNP_PRODUCTS, type SnpProduct } from './product.ts';
import type { SnpSigner } from './claims.ts';
import type { SnpTcb } from './tcb.ts';

/** Demands on the guest policy. */
export interface SnpPolicyDemands {
  /** Accept a guest that a migration agent may move (MIGRATE_MA). Default false. */
  readonly migrationAgent: boolean;
  /** Accept a guest that may run with SMT. Default true. */
  readonly smt: boolean;
  /** Accept a guest that may use CXL memory. Default false. */
  readonly cxl: boolean;
  /** Demand SINGLE_SOCKET. Default false. */
  readonly singleSocket: boolean;
  /** Demand MEM_AES_256_XTS. Default false. */
  readonly aes256Xts: boolean;
  /** Demand RAPL_DIS. Default false. */
  readonly raplDisabled: boolean;
  /** Demand CIPHERTEXT_HIDING_DRAM. Default false. */
  readonly ciphertextHiding: boolean;
  /** Demand PAGE_SWAP_DISABLE. Default false. */
  readonly pageSwapDisabled: boolean;
  /** Lowest minimum ABI that the policy must name, `major.minor`. Default `0.0`. */
  readonly abiMinimum: string;
}

/**
 * A lowest accepted TCB: one for every accepted product line, or one each. Parts are compared one
 * by one.
 */
export type SnpMinimumTcb = SnpTcb | Readonly<Partial<Record<SnpProduct, SnpTcb>>>;

/** The part of a minimum that is for a product line. */
export function minimumTcbOf(minimum: SnpMinimumTcb, product: SnpProduct): SnpTcb | undefined {
  return 'bootloader' in minimum ? minimum : minimum[product];
}

/** Reference values of one kind of guest, with all defaults filled in. */
export interface SnpReferenceValues {
  readonly tee: 'snp';
  /** Accepted launch digests, 48 bytes each in lower-case hex. At least one. */
  readonly measurement: readonly string[];
  /** The only accepted HOST_DATA, 32 bytes in lower-case hex. */
  readonly hostData: string;
  /** Accepted product lines. At least one. */
  readonly products: readonly SnpProduct[];
  /** Lowest accepted REPORTED_TCB, part by part. `fmc` (Turin only) defaults to 0. */
  readonly minimumTcb: SnpMinimumTcb;
  /** Lowest accepted LAUNCH_TCB. Default: not checked. */
  readonly minimumLaunchTcb?: SnpMinimumTcb;
  /** Lowest accepted COMMITTED_TCB. Default: not checked. */
  readonly minimumCommittedTcb?: SnpMinimumTcb;
  /** Accept a guest whose memory the host may read. Default false. */
  readonly debug: boolean;
  readonly policy: SnpPolicyDemands;
  /** Accept firmware that may still be rolled back (COMMITTED below CURRENT). Default false. */
  readonly provisionalFirmware: boolean;
  /** Platform flags that must be set. Default none. */
  readonly platformRequired: readonly PlatformFlag[];
  /** Platform flags that must be clear. Default none. */
  readonly platformForbidden: readonly PlatformFlag[];
  /** The only accepted VMPL, 0 to 3. Default 0. */
  readonly vmpl: number;
  /** Accepted kinds of endorsement key. Default both. */
  readonly signers: readonly SnpSigner[];
  /** Lowest accepted guest SVN. Default 0. */
  readonly guestSvnMinimum: number;
  /** Accepted SHA-384 digests of the id key, hex. */
  readonly idKeyDigest?: readonly string[];
  /** Accepted SHA-384 digests of the author key, hex. */
  readonly authorKeyDigest?: readonly string[];
  /** Accepted family ids, 16 bytes in hex. */
  readonly familyId?: readonly string[];
  /** Accepted image ids, 16 bytes in hex. */
  readonly imageId?: readonly string[];
  /** Accepted chips: CHIP_ID, 64 bytes in hex (Turin: 8 bytes and zeros). */
  readonly chipIds?: readonly string[];
  /** Accepted cloud providers of a VLEK (cspID). A VCEK has none and passes. */
  readonly cspIds?: readonly string[];
  /** Mitigations that must be active at launch and now: a 64-bit mask as `0x` and hex digits. */
  readonly mitigationMask?: string;
  /** SHA-256 of development root certificates that are accepted, hex (invariant I11). */
  readonly developmentRoots?: readonly string[];
}

const SIGNERS: readonly SnpSigner[] = ['VCEK', 'VLEK'];

/**
 * Validates reference values and fills in defaults. Applying it to its own result changes nothing.
 *
 * @param value parsed JSON
 * @param path where the value stands in its document, for error messages
 * @throws AttestationError REFERENCE_VALUES_INVALID with `path`, `expected` and `found`
 */
export function parseSnpReferenceValues(value: unknown, path: string): SnpReferenceValues {
  const reader = new ObjectReader(value, path);
  const products = reader.choices('products', SNP_PRODUCTS, undefined, 1);
  const parsed: SnpReferenceValues = {
    tee: reader.choice('tee', ['snp']),
    measurement: reader.hexList('measurement', 48),
    hostData: reader.hex('hostData', 32),
    products,
    minimumTcb: readMinimum(reader, 'minimumTcb', products),
    ...reader.ifPresent('minimumLaunchTcb', () => ({
      minimumLaunchTcb: readMinimum(reader, 'minimumLaunchTcb', products),
    })),
    ...reader.ifPresent('minimumCommittedTcb', () => ({
      minimumCommittedTcb: readMinimum(reader, 'minimumCommittedTcb', products),
    })),
    debug: reader.boolean('debug', false),
    policy: readPolicy(reader),
    provisionalFirmware: reader.boolean('provisionalFirmware', false),
    platformRequired: reader.choices('platformRequired', PLATFORM_FLAGS, [], 0),
    platformForbidden: reader.choices('platformForbidden', PLATFORM_FLAGS, [], 0),
    vmpl: reader.integer('vmpl', 3, 0),
    signers: reader.choices('signers', SIGNERS, SIGNERS, 1),
    guestSvnMinimum: reader.integer('guestSvnMinimum', 0xffffffff, 0),
    ...readOptionalLists(reader),
  };
  reader.end();
  return parsed;
}

type OptionalLists = Pick<
  SnpReferenceValues,
  | 'idKeyDigest'
  | 'authorKeyDigest'
  | 'familyId'
  | 'imageId'
  | 'chipIds'
  | 'cspIds'
  | 'mitigationMask'
  | 'developmentRoots'
>;

function readOptionalLists(reader: ObjectReader): OptionalLists {
  const hexes = <Name extends keyof OptionalLists>(name: Name, bytes: number): object =>
    reader.ifPresent(name, () => ({ [name]: reader.hexList(name, bytes) }));
  return {
    ...hexes('idKeyDigest', 48),
    ...hexes('authorKeyDigest', 48),
    ...hexes('familyId', 16),
    ...hexes('imageId', 16),
    ...hexes('chipIds', 64),
    ...reader.ifPresent('cspIds', () => ({ cspIds: reader.textList('cspIds') })),
    ...reader.ifPresent('mitigationMask', () => ({
      mitigationMask: reader.pattern('mitigationMask', /^0x[0-9a-f]{1,16}$/, '0x and hex digits'),
    })),
    ...hexes('developmentRoots', 32),
  };
}

/** One minimum for each of the products, or one for all of them. */
function readMinimum(
  parent: ObjectReader,
  name: string,
  products: readonly SnpProduct[],
): SnpMinimumTcb {
  const reader = parent.child(name);
  if (!SNP_PRODUCTS.some((product) => reader.has(product))) return readTcb(reader);
  const minimum = products.map((product) => [product, readTcb(reader.child(product))] as const);
  reader.end();
  return Object.fromEntries(minimum);
}

function readTcb(reader: ObjectReader): SnpTcb {
  const part = (name: string): number => reader.integer(name, 255);
  const tcb: SnpTcb = {
    ...reader.ifPresent('fmc', () => ({ fmc: part('fmc') })),
    bootloader: part('bootloader'),
    tee: part('tee'),
    snp: part('snp'),
    microcode: part('microcode'),
  };
  reader.end();
  return tcb;
}

function readPolicy(parent: ObjectReader): SnpPolicyDemands {
  const reader = parent.child('policy', {});
  const policy: SnpPolicyDemands = {
    migrationAgent: reader.boolean('migrationAgent', false),
    smt: reader.boolean('smt', true),
    cxl: reader.boolean('cxl', false),
    singleSocket: reader.boolean('singleSocket', false),
    aes256Xts: reader.boolean('aes256Xts', false),
    raplDisabled: reader.boolean('raplDisabled', false),
    ciphertextHiding: reader.boolean('ciphertextHiding', false),
    pageSwapDisabled: reader.boolean('pageSwapDisabled', false),
    abiMinimum: reader.pattern('abiMinimum', ABI, 'major.minor, each up to 255', '0.0'),
  };
  reader.end();
  return policy;
}

const BYTE = '(0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])';
const ABI = new RegExp(`^${BYTE}\\.${BYTE}$`);
