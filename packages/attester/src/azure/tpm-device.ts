/**
 * The TPM as a port, and the kernel's. One command at a time: written whole, answered whole.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { AttesterError } from '../errors.ts';
import { TPM_MESSAGE_BYTES_MAX } from './tpm-wire.ts';

/** Carries a command to a TPM 2.0. Failures are errors with errno names as `code`. */
export interface TpmDevice {
  /** @returns the whole response, of at most 4096 bytes */
  transceive(command: Uint8Array): Promise<Uint8Array>;
}

/** The kernel's resource manager, which keeps the users of one TPM apart. */
export const TPM_DEVICE_PATH = '/dev/tpmrm0';

/** @param path default `TPM_DEVICE_PATH` */
export function nodeTpmDevice(path: string = TPM_DEVICE_PATH): TpmDevice {
  return {
    transceive: async (command) => {
      const file = await open(path, constants.O_RDWR);
      try {
        // Position null means write(2) and read(2); a character device has no positions.
        const { bytesWritten } = await file.write(command, 0, command.byteLength, null);
        if (bytesWritten !== command.byteLength) {
          throw new AttesterError('ATTESTER_IO', 'the kernel took only a part of the command', {
            fields: { path, expected: command.byteLength, found: bytesWritten },
          });
        }
        const buffer = new Uint8Array(TPM_MESSAGE_BYTES_MAX);
        // The device gives a whole response to one read that has room for it.
        const { bytesRead } = await file.read(buffer, 0, buffer.byteLength, null);
        return buffer.slice(0, bytesRead);
      } finally {
        await file.close();
      }
    },
  };
}
