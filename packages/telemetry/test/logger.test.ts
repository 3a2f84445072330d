import { CodedError, Secret } from '@witan/core';
import {
  createLogger,
  parseLogLevel,
  printable,
  type LogFields,
  type LogLevel,
} from '@witan/telemetry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

class SampleError extends CodedError<'SAMPLE'> {}

function lines(
  level: LogLevel,
  act: (log: ReturnType<typeof createLogger>) => void,
): readonly Record<string, unknown>[] {
  const written: string[] = [];
  act(
    createLogger({ level, name: 'sample', destination: { write: (line) => written.push(line) } }),
  );
  return written.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('the log', () => {
  it('writes one object a line with level, ISO time, name, fields and a constant message', () => {
    const [line] = lines('info', (log) => {
      log.info('listening', { port: 7000, slot: 'witan-0' });
    });
    expect(line).toMatchObject({ level: 'info', name: 'sample', port: 7000, msg: 'listening' });
    expect(line?.['time']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  });

  it('keeps to its level and adds inherited fields', () => {
    const written = lines('warn', (log) => {
      log.debug('a');
      log.info('b');
      log.with({ slot: 'witan-1' }).warn('c', { code: 'X' });
      log.error('d');
    });
    expect(written.map((line) => line['msg'])).toEqual(['c', 'd']);
    expect(written[0]).toMatchObject({ slot: 'witan-1', code: 'X' });
  });

  it('writes an error as one line with its fields and causes', () => {
    const cause = new Error('connection reset');
    const error = new SampleError('SAMPLE', 'did not work', { fields: { found: 3 }, cause });
    const [line] = lines('info', (log) => {
      log.warn('call failed', { error });
    });
    expect(line?.['error']).toBe('SAMPLE: did not work (found=3): connection reset');
  });

  it('never writes a secret or raw bytes, however deep they sit (I10)', () => {
    const bytes = Uint8Array.from({ length: 32 }, (_, i) => 0xa0 + i);
    const secret = new Secret(bytes);
    const holder = { secret, list: [{ secret, bytes }], buffer: bytes.buffer };
    const [line] = lines('info', (log) => {
      log.info('x', { reason: holder, error: secret, bytes });
    });
    const text = JSON.stringify(line);
    expect(text).toContain('[secret]');
    expect(text).toContain('[32 bytes]');
    expect(text).not.toMatch(/160|a0a1/);
  });

  it('lets no field replace what the logger itself writes', () => {
    const fields = { level: 'fatal', msg: 'other', name: 'other', time: 'never' } as LogFields;
    const [line] = lines('info', (log) => {
      log.info('true', fields);
    });
    expect(line).toMatchObject({ level: 'info', msg: 'true', name: 'sample' });
  });

  it('refuses a level that nobody knows', () => {
    expect(parseLogLevel('debug')).toBe('debug');
    expect(() => parseLogLevel('loud')).toThrow(
      expect.objectContaining({ code: 'TELEMETRY_LEVEL_UNKNOWN' }),
    );
  });
});

describe('printable', () => {
  it('gives JSON of bounded size for any value, and never throws (I10)', () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withTypedArray: true }), (value) => {
        expect(JSON.stringify(printable(value)).length).toBeLessThan(1_000_000);
      }),
    );
  });

  it('cuts long text and says how much is missing', () => {
    expect(printable('x'.repeat(3_000))).toBe(`${'x'.repeat(2_048)}[952 more]`);
  });

  it('ends in a value that contains itself', () => {
    const loop: Record<string, unknown> = {};
    loop['self'] = loop;
    expect(JSON.stringify(printable(loop))).toContain('[deeper]');
  });
});
