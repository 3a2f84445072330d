/**
 * A manifest after validation. Only `parseManifest` makes one, so whoever takes a
 * `ValidatedManifest` need not check anything again. Reference values are generic: the package that
 * judges evidence defines them, and this one does not depend on it.
 */
import type { Brand, Sha256Hex } from '@witan/core';

/** The only schema version so far. */
export type ApiVersion = 'witan.dev/v1';

/**
 * `update`: this owner's approval counts towards `updateThreshold`. `recovery`: this owner is given
 * a share of the key that brings the cluster back when every process is gone. `membership`: this
 * owner's approval counts towards `membershipThreshold` when slots change. `auditor`: a key that is
 * known to everybody who reads the manifest, and whose signatures change nothing; it has no other
 * role beside it.
 */
export type OwnerRole = 'update' | 'recovery' | 'membership' | 'auditor';

/** What an owner key is. All kinds sign; all but Ed25519 can hold a recovery share. */
export type OwnerKeyKind = 'p256' | 'p384' | 'rsa' | 'ed25519';

/** Somebody who may approve changes or recover the cluster, known by a public key. */
export interface Owner {
  /** A DNS label, unique in the manifest. */
  readonly name: string;
  /** Of `publicKey`; it alone decides by which algorithm signatures are checked. */
  readonly keyKind: OwnerKeyKind;
  /** DER SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** SHA-256 of `publicKey`, unique in the manifest. */
  readonly fingerprint: Sha256Hex;
  readonly roles: readonly OwnerRole[];
}

/**
 * Who holds the same secret: every workload that lists the name as `shared`, every pod of one
 * workload, or one pod alone for as long as it keeps its key.
 */
export type SecretKind = 'shared' | 'workload' | 'pod';

/** A secret that a workload receives. */
export interface SecretGrant {
  /** A DNS label, unique in the workload. */
  readonly name: string;
  /** `workload` where the manifest does not say. */
  readonly kind: SecretKind;
  /** The lowest version that may be current, from 1; rotations raise it without a manifest. */
  readonly version: number;
  /** How many versions below the current one are given out as well. */
  readonly keep: number;
}

/** What the manifest says about one kind of confidential pod. */
export interface Workload<ReferenceValues> {
  /** A DNS label, unique in the manifest. */
  readonly name: string;
  /** Evidence has to match one of these; at least one. */
  readonly referenceValues: readonly ReferenceValues[];
  /** Lower-case host names for the certificate, without wildcards. */
  readonly dnsNames: readonly string[];
  /** IPv4 or IPv6 addresses for the certificate, as written in the manifest. */
  readonly ipAddresses: readonly string[];
  /** Secrets that this workload receives. */
  readonly secrets: readonly SecretGrant[];
  readonly certificateLifetimeSeconds: number;
}

/** The parsed tree, with the exact bytes that it came from. Nobody may change either. */
export interface ManifestContent<ReferenceValues> {
  /** The document as the owner wrote it: what the digest and every approval is about. */
  readonly bytes: Uint8Array;
  /** SHA-256 of `bytes`. */
  readonly digest: Sha256Hex;
  readonly apiVersion: ApiVersion;
  /** Who may be a replica; at least one. */
  readonly coordinators: readonly ReferenceValues[];
  /** By name. */
  readonly workloads: ReadonlyMap<string, Workload<ReferenceValues>>;
  readonly owners: readonly Owner[];
  /**
   * How many distinct owners with the role `update` have to approve the next manifest; 0 only in a
   * manifest with `allowNoUpdates`, which nothing ever follows.
   */
  readonly updateThreshold: number;
  /** True where no owner may update, by the manifest's explicit wish. */
  readonly allowNoUpdates: boolean;
  /**
   * How many owners with the role `recovery` together recover the cluster; 0 only where there are
   * none, and then nobody can once every process is gone.
   */
  readonly recoveryThreshold: number;
  /**
   * How many distinct owners with the role `membership` have to approve a change of slots; 0 where
   * there are none, and then the rule for updates holds for slots as well.
   */
  readonly membershipThreshold: number;
}

/** A manifest that passed every check of `parseManifest`. */
export type ValidatedManifest<ReferenceValues> = Brand<
  ManifestContent<ReferenceValues>,
  'ValidatedManifest'
>;

/**
 * Checks one reference values object of a manifest.
 *
 * @param value the JSON value as read (objects have no prototype)
 * @param path its place, for error messages
 * @throws any error; `parseManifest` wraps it as MANIFEST_BAD_REFERENCE_VALUES
 */
export type ParseReferenceValues<ReferenceValues> = (
  value: unknown,
  path: string,
) => ReferenceValues;
