/**
 * What a TDX guest may read of itself without its host: the registers that the TDX module reports
 * (Linux 6.16, Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest). A quote is made by
 * a service of the host, which could hand out the quote of another guest, genuine in every respect.
 */
import { AttesterError, errnoOf } from './errors.ts';
import type { TsmFileSystem } from './file-system.ts';
import { tsmError } from './tsm-errors.ts';

/** Where the kernel shows MRCONFIGID. */
export const TD_CONFIG_ID_PATH = '/sys/devices/virtual/misc/tdx_guest/measurements/mrconfigid';

const REGISTER_BYTES = 48;

/**
 * @returns MRCONFIGID, 48 bytes, or undefined where the kernel does not show it
 * @throws AttesterError ATTESTER_FORBIDDEN, ATTESTER_IO
 */
export async function readLocalConfigId(
  fs: Pick<TsmFileSystem, 'readFile'>,
): Promise<Uint8Array | undefined> {
  const path = TD_CONFIG_ID_PATH;
  let register: Uint8Array;
  try {
    register = await fs.readFile(path, REGISTER_BYTES);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw tsmError('mrconfigid', path, error);
  }
  if (register.byteLength === REGISTER_BYTES) return register;
  const fields = { path, expected: REGISTER_BYTES, found: register.byteLength };
  throw new AttesterError('ATTESTER_IO', 'the register has another length', { fields });
}
