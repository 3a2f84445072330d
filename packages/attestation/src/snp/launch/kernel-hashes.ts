/**
 * The page with the hashes of kernel, initrd and command line, by which a firmware that was
 * measured recognises what it boots (QEMU target/i386/sev.c, edk2 OvmfPkg
 * BlobVerifierLibSevHashes).
 */
import { concatBytes, fromHex, utf8, type Crypto } from '@witan/core';
import { guidBytes, PAGE_BYTES } from './firmware.ts';
import { AttestationError } from '../../errors.ts';

/** What is booted directly. */
export interface DirectBoot {
  readonly kernel: Uint8Array;
  /** None is the same as an empty one. */
  readonly initrd?: Uint8Array;
  /** None is the same as an empty one. */
  readonly commandLine?: string;
}

const TABLE_GUID = fromHex(guidBytes('9438d606-4f22-4cc9-b479-a793d411fd21'));
const COMMAND_LINE_GUID = fromHex(guidBytes('97d02dd8-bd20-4c94-aa78-e7714d36ab2a'));
const INITRD_GUID = fromHex(guidBytes('44baf731-3a2f-4bd7-9af1-41e29169781d'));
const KERNEL_GUID = fromHex(guidBytes('4de79437-abd2-427f-b835-d5b172d2045b'));
const ENTRY_BYTES = 50;
const TABLE_BYTES = 168;
const PADDED_BYTES = 176;

/**
 * @param tableGpa guest physical address of the table
 * @throws AttestationError LAUNCH_FIRMWARE_MALFORMED when the table would cross the page
 */
export function kernelHashesPage(boot: DirectBoot, tableGpa: number, crypto: Crypto): Uint8Array {
  const offset = tableGpa % PAGE_BYTES;
  if (offset + PADDED_BYTES > PAGE_BYTES) {
    throw new AttestationError('LAUNCH_FIRMWARE_MALFORMED', {
      expected: 'kernel hashes within a page',
      found: offset,
    });
  }
  const entry = (guid: Uint8Array, ...contents: readonly Uint8Array[]): Uint8Array =>
    concatBytes(guid, u16(ENTRY_BYTES), crypto.hash('sha256', ...contents));
  const table = concatBytes(
    TABLE_GUID,
    u16(TABLE_BYTES),
    entry(COMMAND_LINE_GUID, utf8(boot.commandLine ?? ''), Uint8Array.of(0)),
    entry(INITRD_GUID, boot.initrd ?? new Uint8Array()),
    entry(KERNEL_GUID, boot.kernel),
  );
  const page = new Uint8Array(PAGE_BYTES);
  page.set(table, offset);
  return page;
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >>> 8);
}
