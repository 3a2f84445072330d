/** Limits of the replicated state; each has its unit in its name or comment. */
import { RECOVERY_HEADER_BYTES_MAX } from '@witan/manifest';

/** Length of a request key in bytes. */
export const REQUEST_KEY_BYTES: number = 16;
/** Request keys whose results are remembered; the oldest by log index goes first. */
export const REQUESTS_MAX: number = 65_536;
/** Manifests whose bytes are kept, the newest. Their transitions are kept all. */
export const MANIFESTS_KEPT_MAX: number = 64;
/** Records of issued certificates. */
export const ISSUED_MAX: number = 262_144;
/** How long the record of an expired certificate is kept, against the clock of later commands. */
export const ISSUED_GRACE_MS: number = 24 * 60 * 60 * 1000;
/** How many later commands, one after the other, have to agree that a record may go. */
export const ISSUED_WITNESSES: number = 1024;
/**
 * Leaves of the audit log that are kept whole, the newest: two for each certificate that may be
 * valid at once. Their hashes are kept as long; see `LOG_LIMITS`.
 */
export const LOG_LEAVES_KEPT_MAX: number = 524_288;
/** Bytes of these leaves. */
export const LOG_LEAVES_BYTES_MAX: number = 128 * 1024 * 1024;
/** What identifies a workload's program in its evidence, in bytes. */
export const MEASUREMENT_BYTES_MAX: number = 64;
/** Length of a certificate's serial number in bytes. */
export const SERIAL_BYTES: number = 16;
/** A certificate in DER, in bytes. */
export const CERTIFICATE_BYTES_MAX: number = 16 * 1024;
/** A public key as DER SubjectPublicKeyInfo, in bytes. */
export const PUBLIC_KEY_BYTES_MAX: number = 1024;
/** Steps of rotations that a cluster records. */
export const ROTATIONS_MAX: number = 4096;
/** Certificates that one step of a rotation brings. */
export const ROTATION_CERTIFICATES_MAX: number = 2;
/** Different secrets in one manifest: as many as its size lets in. */
export const SECRET_NAMES_MAX: number = 65_536;
/** A secret's name, in bytes. */
export const SECRET_NAME_BYTES_MAX: number = 63;
/** Changes with too few approvals yet that one owner may have opened at a time. */
export const PROPOSALS_PER_OWNER_MAX: number = 2;
/** Changes whose approval one owner may withdraw under one manifest. */
export const WITHDRAWALS_PER_OWNER_MAX: number = 16;
/** Slots of a cluster. */
export const SLOTS_MAX: number = 64;
/** Changes of the slots in the life of one cluster. */
export const SLOT_CHANGES_MAX: number = 1024;
/** Voters, outgoing voters and learners together. */
export const MEMBERS_MAX: number = 256;
/** A member's address, in bytes of UTF-8. */
export const ADDRESS_BYTES_MAX: number = 300;
/** A workload's name, in bytes. */
export const WORKLOAD_NAME_BYTES_MAX: number = 63;
/** Characters of each text in a result. */
export const RESULT_TEXT_CHARACTERS_MAX: number = 160;
/** An encoded command: a manifest, 64 approvals, two certificates, a recovery header, the rest. */
export const COMMAND_BYTES_MAX: number = 1024 * 1024 + 256 * 1024 + RECOVERY_HEADER_BYTES_MAX;
/** An encoded member for a membership change. */
export const MEMBER_BYTES_MAX: number = 1024;
/** A snapshot of the whole state. */
export const SNAPSHOT_BYTES_MAX: number = 512 * 1024 * 1024;
