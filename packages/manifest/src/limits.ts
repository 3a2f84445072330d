/** Limits of what a manifest may hold; each has its unit in its name or comment. */

/** Size of a manifest in bytes. */
export const MANIFEST_BYTES_MAX: number = 1024 * 1024;
/** Nesting of JSON arrays and objects. */
export const JSON_DEPTH_MAX: number = 16;
/** Reference values in one list: of the Coordinators, or of one workload. */
export const REFERENCE_VALUES_MAX: number = 64;
/** Workloads in one manifest. */
export const WORKLOADS_MAX: number = 1000;
/** Names, addresses or secrets of one workload, each. */
export const NAMES_PER_WORKLOAD_MAX: number = 64;
/** Highest version of a secret. */
export const SECRET_VERSION_MAX: number = 1_000_000;
/** Most versions of a secret below the current one that are given out. */
export const SECRET_KEEP_MAX: number = 16;
/** Versions below the current one that are given out where the manifest does not say. */
export const SECRET_KEEP_DEFAULT: number = 1;
/** Owners in one manifest. */
export const OWNERS_MAX: number = 64;
/** Approvals in one request or transition. */
export const APPROVALS_MAX: number = 64;
/** Shortest lifetime of a workload's certificate. */
export const CERTIFICATE_LIFETIME_SECONDS_MIN: number = 60;
/** Longest lifetime of a workload's certificate: 30 days. */
export const CERTIFICATE_LIFETIME_SECONDS_MAX: number = 30 * 24 * 60 * 60;
/** Lifetime of a workload's certificate where the manifest names none. */
export const CERTIFICATE_LIFETIME_SECONDS_DEFAULT: number = 24 * 60 * 60;
/** Transitions in one history. */
export const TRANSITIONS_MAX: number = 65_536;
/** One approval as a detached JWS; an RSA key of 8192 bits makes about 1,550. */
export const APPROVAL_BYTES_MAX: number = 2048;
/** How far ahead of the leader's clock an approval may expire: 30 days. */
export const APPROVAL_LIFETIME_MS_MAX: number = 30 * 24 * 60 * 60 * 1000;
/** An encoded transition with its signature: 64 approvals, and the rest. */
export const SIGNED_TRANSITION_BYTES_MAX: number = 136 * 1024;
/** Full recoveries in the life of one cluster. */
export const RECOVERIES_MAX: number = 1024;
/** Owners, participants or missing slots in one recovery, each. */
export const RECOVERY_MEMBERS_MAX: number = 64;
/** An encoded recovery with its signature: 64 owners, 64 participants, 64 slots, and the rest. */
export const SIGNED_RECOVERY_BYTES_MAX: number = 16 * 1024;
/** Compact JWE of one recovery share in characters; an RSA key of 8192 bits makes about 2,100. */
export const SHARE_JWE_CHARS_MAX: number = 4096;
/** An encoded recovery header: 64 such shares, and the rest. */
export const RECOVERY_HEADER_BYTES_MAX: number = 256 * 1024;
/** Characters of a found value, or of one key in a path, that an error repeats. */
export const ERROR_TEXT_CHARACTERS_MAX: number = 80;
/** An encoded leaf of the audit log. */
export const LOG_LEAF_BYTES_MAX: number = 128 * 1024;
/** A receipt as a file. */
export const RECEIPT_BYTES_MAX: number = 512 * 1024;
/** Rotations of the seed in the life of one cluster. */
export const SEEDS_MAX: number = 1024;
/** An encoded link between two seeds: 64 approvals, and the rest. */
export const SEED_LINK_BYTES_MAX: number = 136 * 1024;
