/** Limits on everything that enters from outside, each in bytes unless its name says otherwise. */

/** A certificate of an attestation chain; AMD's largest have about 1.7 KiB. */
export const CERTIFICATE_BYTES_MAX: number = 8 * 1024;
/** A certificate revocation list. */
export const CRL_BYTES_MAX: number = 4 * 1024 * 1024;
/** Entries of a revocation list; 32 bytes is less than the shortest entry takes. */
export const CRL_ENTRIES_MAX: number = 100_000;
/** Nesting of DER values. */
export const DER_DEPTH_MAX = 16;
/** Extensions of one certificate or revocation list. */
export const EXTENSIONS_MAX = 64;
/** PEM text with a whole chain. */
export const PEM_BYTES_MAX: number = 64 * 1024;
/** Blocks of one PEM text. */
export const PEM_BLOCKS_MAX = 16;
/** A certificate table as the host hands it out: the kernel limits it to four pages. */
export const CERTIFICATE_TABLE_BYTES_MAX: number = 64 * 1024;
/** Entries of a certificate table that are looked at. */
export const CERTIFICATE_TABLE_ENTRIES_MAX = 32;
/** Items of any list in reference values. */
export const REFERENCE_LIST_ITEMS_MAX = 1024;
/** A TDX quote; real ones have up to 8000 bytes. */
export const TDX_QUOTE_BYTES_MAX: number = 16 * 1024;
/** A TCB info or quoting enclave identity. */
export const COLLATERAL_DOCUMENT_BYTES_MAX: number = 1024 * 1024;
/** Encoded evidence with its endorsements: two revocation lists, two documents and the rest. */
export const EVIDENCE_BYTES_MAX: number =
  2 * CRL_BYTES_MAX + 2 * COLLATERAL_DOCUMENT_BYTES_MAX + 256 * 1024;
/** A report of Azure's paravisor: its NV index has 2600 bytes today. */
export const HCL_REPORT_BYTES_MAX: number = 16 * 1024;
/** TPMS_ATTEST of a quote; the largest possible one has about 300 bytes. */
export const TPM_ATTEST_BYTES_MAX = 1024;
/** Azure's evidence as JSON, where a byte may take five characters. */
export const AZURE_EVIDENCE_BYTES_MAX: number = 512 * 1024;
/** The ACPI table that says where the event log is. */
export const CCEL_TABLE_BYTES_MAX = 4096;
/** An event log of the firmware; the area that firmware reserves has 64 KiB to some MiB. */
export const EVENT_LOG_BYTES_MAX: number = 4 * 1024 * 1024;
/** Events of one log that are read; firmware and boot loader write a few hundred. */
export const EVENT_LOG_EVENTS_MAX = 2048;
/** Bytes of one event that are not hashed values. */
export const EVENT_DATA_BYTES_MAX: number = 1024 * 1024;
