/** Event logs and the ACPI table that points to them, for people. */
import {
  AttestationError,
  isEventDataHashed,
  parseCcelTable,
  parseEventLog,
  replayEventLog,
  type EventLog,
  type LogEvent,
} from '@witan/attestation';
import { toHex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { Field } from './fields.ts';
import { plain, type ShownSection } from './show-azure.ts';
import { shortened } from './text.ts';

/** Event types (TCG PC Client Platform Firmware Profile, section 10.4). */
const TYPES: ReadonlyMap<number, string> = new Map([
  [0x0, 'EV_PREBOOT_CERT'],
  [0x1, 'EV_POST_CODE'],
  [0x3, 'EV_NO_ACTION'],
  [0x4, 'EV_SEPARATOR'],
  [0x5, 'EV_ACTION'],
  [0x6, 'EV_EVENT_TAG'],
  [0x7, 'EV_S_CRTM_CONTENTS'],
  [0x8, 'EV_S_CRTM_VERSION'],
  [0x9, 'EV_CPU_MICROCODE'],
  [0xa, 'EV_PLATFORM_CONFIG_FLAGS'],
  [0xb, 'EV_TABLE_OF_DEVICES'],
  [0xc, 'EV_COMPACT_HASH'],
  [0xd, 'EV_IPL'],
  [0xe, 'EV_IPL_PARTITION_DATA'],
  [0x80000001, 'EV_EFI_VARIABLE_DRIVER_CONFIG'],
  [0x80000002, 'EV_EFI_VARIABLE_BOOT'],
  [0x80000003, 'EV_EFI_BOOT_SERVICES_APPLICATION'],
  [0x80000004, 'EV_EFI_BOOT_SERVICES_DRIVER'],
  [0x80000005, 'EV_EFI_RUNTIME_SERVICES_DRIVER'],
  [0x80000006, 'EV_EFI_GPT_EVENT'],
  [0x80000007, 'EV_EFI_ACTION'],
  [0x80000008, 'EV_EFI_PLATFORM_FIRMWARE_BLOB'],
  [0x80000009, 'EV_EFI_HANDOFF_TABLES'],
  [0x8000000a, 'EV_EFI_PLATFORM_FIRMWARE_BLOB2'],
  [0x8000000b, 'EV_EFI_HANDOFF_TABLES2'],
  [0x8000000c, 'EV_EFI_VARIABLE_BOOT2'],
  [0x80000010, 'EV_EFI_HCRTM_EVENT'],
  [0x800000e0, 'EV_EFI_VARIABLE_AUTHORITY'],
]);
const VARIABLE_EVENTS = new Set([0x80000001, 0x80000002, 0x8000000c, 0x800000e0]);
/** Events beyond this are counted, not printed. */
const EVENTS_SHOWN_MAX = 512;
const TEXT_CHARS_MAX = 100;
const GUID_BYTES = 16;
const VARIABLE_NAME_AT = 32;

/** All events, then what they add up to. */
export function eventLogSections(bytes: Uint8Array): readonly ShownSection[] {
  try {
    const log = parseEventLog(bytes);
    const shown = log.events.slice(0, EVENTS_SHOWN_MAX).map(eventField);
    const more = log.events.length - shown.length;
    const title = `Event log: ${log.events.length} events in ${log.byteLength} bytes`;
    const rest = more === 0 ? [] : [plain('more', `${more} events that are not shown`)];
    return [{ title, fields: [...shown, ...rest] }, registerSection(log)];
  } catch (error) {
    if (error instanceof AttestationError) return [{ title: 'Event log', fields: [], error }];
    throw error;
  }
}

/** The table. */
export function ccelSections(bytes: Uint8Array): readonly ShownSection[] {
  const title = 'ACPI table CCEL';
  try {
    const { revision, oemId, logBytes, logAddress } = parseCcelTable(bytes);
    return [
      {
        title,
        fields: [
          plain('REVISION', String(revision)),
          plain('OEM ID', oemId),
          plain('CC TYPE', '2', 'TDX'),
          plain('LOG AREA', `${logBytes} bytes`),
          plain('LOG ADDRESS', `0x${logAddress.toString(16)}`),
        ],
      },
    ];
  } catch (error) {
    if (error instanceof AttestationError) return [{ title, fields: [], error }];
    throw error;
  }
}

function registerSection(log: EventLog): ShownSection {
  const title = 'Registers after these events: compare them with a quote (verify --event-log)';
  try {
    const registers = replayEventLog(log, nodeCrypto);
    return {
      title,
      fields: registers.map((register, index) => plain(`RTMR${index}`, toHex(register))),
    };
  } catch (error) {
    if (error instanceof AttestationError) return { title, fields: [], error };
    throw error;
  }
}

function eventField(event: LogEvent): Field {
  const { offset, register, type, digest, data } = event;
  const where = register >= 1 && register <= 4 ? `RTMR${register - 1}` : `register ${register}`;
  const name = TYPES.get(type) ?? `type 0x${type.toString(16)}`;
  const proven = isEventDataHashed(event, nodeCrypto)
    ? 'the digest is of this text'
    : 'the digest is of something else: the text proves nothing';
  return {
    offset,
    size: data.byteLength,
    name: `${where} ${name}`,
    value: digest === undefined ? 'no SHA-384' : toHex(digest),
    meaning: [shortened(eventText(event), TEXT_CHARS_MAX), `${proven}`],
  };
}

function eventText({ type, data }: LogEvent): string {
  const variable = VARIABLE_EVENTS.has(type) ? variableName(data) : undefined;
  if (variable !== undefined) return `variable ${JSON.stringify(variable)}`;
  const text = data.at(-1) === 0 ? data.subarray(0, -1) : data;
  const isText = text.byteLength > 0 && text.every((byte) => byte >= 0x20 && byte < 0x7f);
  if (isText) return JSON.stringify(String.fromCharCode(...text.subarray(0, 2 * TEXT_CHARS_MAX)));
  return `${data.byteLength} bytes ${toHex(data.subarray(0, 32))}`;
}

/** UEFI_VARIABLE_DATA: GUID, length of the name in UTF-16 units, length of the data, the name. */
function variableName(data: Uint8Array): string | undefined {
  if (data.byteLength < VARIABLE_NAME_AT) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const units = view.getBigUint64(GUID_BYTES, true);
  if (units > 128n || BigInt(data.byteLength - VARIABLE_NAME_AT) < 2n * units) return undefined;
  const codes = Array.from({ length: Number(units) }, (_, index) =>
    view.getUint16(VARIABLE_NAME_AT + 2 * index, true),
  );
  return String.fromCharCode(...codes);
}
