/** Event logs: read with limits, replayed to RTMRs, compared with evidence. */
import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '@witan/core';
import {
  checkEventLog,
  isEventDataHashed,
  looksLikeEventLog,
  parseCcelTable,
  parseEventLog,
  replayEventLog,
} from '../src/index.ts';
import {
  serializeCcelTable,
  serializeEvent,
  serializeEventLog,
  serializeLogHeader,
  testCrypto,
  type EventPlan,
} from '../testing/index.ts';
import { codeOf } from './support/code-of.ts';

const text = (words: string): Uint8Array => new Uint8Array(Buffer.from(words));
const EVENTS: readonly EventPlan[] = [
  { register: 1, type: 0x8000000a, data: text('firmware') },
  { register: 2, type: 4, data: new Uint8Array(4) },
  { register: 3, type: 0x0d, data: text('kernel_cmdline: quiet') },
  { register: 1, type: 3, data: text('nothing happened') },
  { register: 1, type: 0x0a, data: text('ACPI DATA'), digest: new Uint8Array(48).fill(7) },
];
const ZERO = '00'.repeat(48);
const extended = (...digests: readonly Uint8Array[]): string => {
  let register = Buffer.alloc(48);
  for (const digest of digests) {
    register = Buffer.from(createHash('sha384').update(register).update(digest).digest());
  }
  return register.toString('hex');
};
const sha384 = (data: Uint8Array): Uint8Array => createHash('sha384').update(data).digest();

describe('an event log', () => {
  const log = parseEventLog(serializeEventLog(EVENTS));

  it('is read to its end, whatever fills its area', () => {
    expect(log.events.map(({ type }) => type)).toEqual(EVENTS.map(({ type }) => type));
    for (const options of [{ fill: 0 }, { fillBytes: 0 }, { fill: 0, fillBytes: 1 }]) {
      expect(parseEventLog(serializeEventLog(EVENTS, options)).events).toEqual(log.events);
    }
    const last: EventPlan = { register: 4, type: 4, data: new Uint8Array(9) };
    const zeros = serializeEventLog([...EVENTS, last], { fill: 0, fillBytes: 0 });
    expect(parseEventLog(zeros).events).toHaveLength(6);
  });

  it('gives the registers by extension, without what only informs', () => {
    const [one, , , , five] = EVENTS;
    const registers = replayEventLog(log, testCrypto).map(toHex);
    expect(registers).toEqual([
      extended(sha384(one?.data ?? text('')), five?.digest ?? text('')),
      extended(sha384(new Uint8Array(4))),
      extended(sha384(text('kernel_cmdline: quiet'))),
      ZERO,
    ]);
  });

  it('tells whose text its digest proves', () => {
    const hashed = log.events.map((event) => isEventDataHashed(event, testCrypto));
    expect(hashed).toEqual([true, true, true, true, false]);
  });

  it('is compared with all four registers', () => {
    const registers = replayEventLog(log, testCrypto).map(toHex);
    const measurements = registers.map((value, index) => ({ name: `rtmr${index}`, value }));
    const passed = (values: typeof measurements): readonly boolean[] =>
      checkEventLog(log, { measurements: values }, testCrypto).map((check) => check.passed);
    expect(passed(measurements)).toEqual([true, true, true, true]);
    expect(passed(measurements.with(3, { name: 'rtmr3', value: 'aa' }))).toEqual([
      true,
      true,
      true,
      false,
    ]);
    expect(passed([])).toEqual([false, false, false, false]);
    const [check] = checkEventLog(log, { measurements: [] }, testCrypto);
    expect(check).toMatchObject({ code: 'EVENT_LOG_REGISTER', found: 'rtmr0 missing' });
  });

  it('that extends a register which no TD has is refused', () => {
    for (const register of [0, 5, 0xfffffffe]) {
      const wrong = parseEventLog(serializeEventLog([{ register, type: 1, data: text('x') }]));
      expect(codeOf(() => replayEventLog(wrong, testCrypto))).toBe('EVENT_LOG_MALFORMED');
    }
  });

  const header = serializeLogHeader();
  const event = serializeEvent({ register: 1, type: 1, data: text('x') });
  it.each([
    ['is empty', new Uint8Array()],
    ['is cut in its header', header.slice(0, 20)],
    ['has another header', concatBytes(serializeLogHeader([[0x0c, 48]], 'Spec ID Event02\0'))],
    ['has no algorithm', serializeLogHeader([])],
    ['has nine algorithms', serializeLogHeader(Array.from({ length: 9 }, (_, at) => [at, 48]))],
    [
      'has an algorithm twice',
      serializeLogHeader([
        [0x0c, 48],
        [0x0c, 48],
      ]),
    ],
    ['has SHA-384 of 32 bytes', serializeLogHeader([[0x0c, 32]])],
    ['has SHA-256 alone', serializeLogHeader([[0x0b, 32]])],
    [
      'has digests of no bytes',
      serializeLogHeader([
        [0x0c, 48],
        [0x0b, 0],
      ]),
    ],
    ['is cut in an event', concatBytes(header, event.slice(0, -1))],
    ['has a digest that its header does not name', concatBytes(header, event.with(12, 0x0b))],
    ['has more digests than algorithms', concatBytes(header, event.with(8, 2))],
    ['has a type that is no header', concatBytes(header.with(4, 4), event)],
    ['has something behind its fill', concatBytes(header, new Uint8Array(64), event)],
  ])('that %s is refused', (_, bytes) => {
    expect(codeOf(() => parseEventLog(bytes))).toBe('EVENT_LOG_MALFORMED');
  });

  it('is refused above its limits, quickly', () => {
    const big = concatBytes(header, new Uint8Array(4 * 1024 * 1024));
    expect(codeOf(() => parseEventLog(big))).toBe('EVENT_LOG_TOO_LARGE');
    const endless = concatBytes(header, ...Array.from({ length: 17_000 }, () => event));
    expect(codeOf(() => parseEventLog(endless))).toBe('EVENT_LOG_TOO_LARGE');
    // Events of zeros before a last byte: each of them looks like fill.
    const zeros = concatBytes(header, new Uint8Array(16 * 16_000), Uint8Array.of(1));
    expect(codeOf(() => parseEventLog(zeros))).toBe('EVENT_LOG_MALFORMED');
    const data = event.with(-3, 0x20);
    expect(codeOf(() => parseEventLog(concatBytes(header, data)))).toBe('EVENT_LOG_TOO_LARGE');
  });

  it('is refused above 2,048 events, which keeps its replay short (I10)', () => {
    const event = { register: 1, type: 0x0d, data: new Uint8Array(1) };
    const log = (count: number): Uint8Array =>
      serializeEventLog(Array.from({ length: count }, () => event));
    expect(codeOf(() => parseEventLog(log(2049)))).toBe('EVENT_LOG_TOO_LARGE');
    expect(parseEventLog(log(2000)).events.length).toBeGreaterThanOrEqual(2000);
  });

  it('is known by how it begins', () => {
    expect(looksLikeEventLog(header)).toBe(true);
    expect(looksLikeEventLog(event)).toBe(false);
    expect(looksLikeEventLog(serializeCcelTable(1))).toBe(false);
  });
});

describe('a CCEL table', () => {
  const table = serializeCcelTable(262_144);

  it('says how large the log is', () => {
    expect(parseCcelTable(table)).toEqual({
      revision: 1,
      oemId: 'WITAN',
      logBytes: 262_144n,
      logAddress: 0xbedbf000n,
    });
  });

  it('has one checksum over all its bytes', () => {
    for (let at = 0; at < table.byteLength; at += 1) {
      const changed = table.with(at, (table[at] ?? 0) ^ 0x10);
      expect(codeOf(() => parseCcelTable(changed))).toBe('EVENT_LOG_TABLE_MALFORMED');
    }
  });

  it('of another type or length is refused', () => {
    const other = table.with(36, 1).with(9, ((table[9] ?? 0) + 1) & 255);
    for (const bytes of [other, table.slice(1), new Uint8Array(56), new Uint8Array(5000)]) {
      expect(codeOf(() => parseCcelTable(bytes))).toBe('EVENT_LOG_TABLE_MALFORMED');
    }
  });
});
