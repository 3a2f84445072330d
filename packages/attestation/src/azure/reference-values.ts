/**
 * Reference values for Azure's confidential VMs: those of the hardware, which measure the
 * paravisor, and those of the vTPM, whose registers measure what the guest runs.
 *
 * As with the others, nothing is left unchecked in silence: registers that shall not be compared
 * must say so with the text `any`.
 */
import { ObjectReader, type Any } from '../schema.ts';
import { AttestationError } from '../errors.ts';
import { parseSnpReferenceValues, type SnpReferenceValues } from '../snp/reference-values.ts';
import { parseTdxReferenceValues, type TdxReferenceValues } from '../tdx/reference-values.ts';
import { TPM_PCR_BYTES, TPM_PCR_COUNT_MAX } from './tpm-quote.ts';

/** Demands on vTPM and paravisor, with all defaults filled in. */
export interface AzureDemands {
  /** Accepted values of SHA-256 registers by number, 32 bytes each in hex; or not compared. */
  readonly pcrs: Readonly<Record<string, readonly string[]>> | Any;
  /**
   * SHA-256 of the init data that Confidential Containers extended register 8 with, and with
   * nothing else. Default: not compared beyond `pcrs`.
   */
  readonly initData?: string;
  /** Demand `secure-boot` of the paravisor. Default true. */
  readonly secureBoot: boolean;
}

/** Reference values of an SEV-SNP guest below Azure's paravisor. */
export interface AzSnpReferenceValues extends AzureDemands {
  readonly tee: 'az-snp';
  /** For the report, which is of VMPL 0 always; its measurement is the paravisor's. */
  readonly hardware: SnpReferenceValues;
}

/** Reference values of a TDX guest below Azure's paravisor. */
export interface AzTdxReferenceValues extends AzureDemands {
  readonly tee: 'az-tdx';
  /** For the quote; its MRTD is the paravisor's, its RTMRs are zero. */
  readonly hardware: TdxReferenceValues;
}

/** Reference values of either kind. */
export type AzureReferenceValues = AzSnpReferenceValues | AzTdxReferenceValues;

const PCR_NUMBER = /^(?:0|[1-9][0-9]?)$/;

/**
 * Validates reference values and fills in defaults. Applying it to its own result changes nothing.
 *
 * @param value parsed JSON
 * @param path where the value stands in its document, for error messages
 * @throws AttestationError REFERENCE_VALUES_INVALID with `path`, `expected` and `found`
 */
export function parseAzureReferenceValues(value: unknown, path: string): AzureReferenceValues {
  const reader = new ObjectReader(value, path);
  const tee = reader.choice('tee', ['az-snp', 'az-tdx']);
  const hardware = reader.value('hardware');
  const at = path === '' ? 'hardware' : `${path}.hardware`;
  const demands = readDemands(reader);
  reader.end();
  if (tee === 'az-tdx') return { tee, hardware: parseTdxReferenceValues(hardware, at), ...demands };
  const snp = parseSnpReferenceValues(hardware, at);
  if (snp.vmpl !== 0) {
    const fields = { path: `${at}.vmpl`, expected: '0, the paravisor', found: snp.vmpl };
    throw new AttestationError('REFERENCE_VALUES_INVALID', fields);
  }
  return { tee, hardware: snp, ...demands };
}

function readDemands(reader: ObjectReader): AzureDemands {
  return {
    pcrs: readPcrs(reader),
    ...reader.ifPresent('initData', () => ({ initData: reader.hex('initData', TPM_PCR_BYTES) })),
    secureBoot: reader.boolean('secureBoot', true),
  };
}

function readPcrs(reader: ObjectReader): AzureDemands['pcrs'] {
  if (reader.value('pcrs') === 'any') return reader.choice<Any>('pcrs', ['any']);
  const registers = reader.child('pcrs');
  const names = registers.names();
  const invalid = names.find((name) => !PCR_NUMBER.test(name) || Number(name) >= TPM_PCR_COUNT_MAX);
  if (invalid !== undefined || names.length === 0) {
    throw new AttestationError('REFERENCE_VALUES_INVALID', {
      path: 'pcrs',
      expected: 'numbers of registers with lists of values, or any',
      found: (invalid ?? 'none').slice(0, 80),
    });
  }
  const pcrs = Object.fromEntries(
    names.map((name) => [name, registers.hexList(name, TPM_PCR_BYTES)]),
  );
  registers.end();
  return pcrs;
}
