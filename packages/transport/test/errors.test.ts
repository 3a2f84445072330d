import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Metadata } from '@grpc/grpc-js';
import { ERROR_TRAILER, fromWireError, toWireError } from '../src/call-errors.ts';
import { InvariantViolation } from '@witan/core';
import { asTransportError, askVerifier } from '../src/exchange.ts';
import { PublicError, type RemoteError } from '../src/index.ts';
import { clock } from './support/hardware.ts';

const here = new URL('.', import.meta.url);
const read = (name: string): string => readFileSync(new URL(name, here), 'utf8');

/** REQUEST_MALFORMED and others are codes for the wire, not of TransportError. */
function codesInUnion(): string[] {
  const source = read('../src/errors.ts');
  const union = /export type TransportErrorCode =([^;]*);/.exec(source)?.[1] ?? '';
  return [...union.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1] ?? '');
}

describe('error codes', () => {
  it('are all explained in errors.json, and nothing else is', () => {
    const explained = Object.keys(JSON.parse(read('../errors.json')) as object);
    expect(explained.toSorted()).toEqual([...codesInUnion(), 'REMOTE_ERROR'].toSorted());
  });

  it('are each expected by a test', () => {
    const tests = readdirSync(here)
      .filter((name) => name.endsWith('.test.ts') && name !== 'errors.test.ts')
      .map((name) => read(name))
      .join('\n');
    const missing = codesInUnion().filter((code) => !tests.includes(code));
    expect(missing).toEqual([]);
  });
});

const nowhere = { cancelledHere: false, connectionEnded: false };

function serviceError(code: number, metadata: Metadata): Error {
  return Object.assign(new Error('text of the other end'), { code, metadata, details: '' });
}

describe('an error on its way over the wire', () => {
  it('is cut to its limits on both ends', () => {
    const fields = Object.fromEntries(
      Array.from({ length: 100 }, (_, i) => [`name${i}`, 'v'.repeat(5_000)]),
    );
    const { wire } = toWireError(new PublicError('ABORTED', 'CONFLICT', 'x', fields));
    const size = wire.metadata.get(ERROR_TRAILER)[0]?.length ?? 0;
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThan(16 * 1024);
    const back = fromWireError(serviceError(10, wire.metadata), nowhere) as RemoteError;
    expect(Object.keys(back.detail?.fields ?? {})).toHaveLength(16);
  });

  it('keeps its message, its cause and its stack at home', () => {
    const error = new PublicError('ABORTED', 'CONFLICT', 'local text', {}, new Error('cause'));
    const { wire } = toWireError(error);
    expect(wire.details).toBe('');
    expect(JSON.stringify(wire.metadata.getMap())).not.toMatch(/local text|cause/);
  });

  it.each([
    ['no bytes', Buffer.alloc(0)],
    ['garbage', Buffer.from([0xff, 0xff, 0xff])],
    ['a code of another form', Buffer.from([0x0a, 2, 0x61, 0x0a])],
    ['too many bytes', Buffer.alloc(40_000, 0x0a)],
  ])('is an answer without detail when the detail is %s', (_what, bytes) => {
    const metadata = new Metadata();
    metadata.set(ERROR_TRAILER, bytes);
    const error = fromWireError(serviceError(5, metadata), nowhere);
    expect(error).toMatchObject({ code: 'REMOTE_ERROR', status: 'NOT_FOUND', detail: undefined });
  });

  it('keeps an unavailability that the server explains apart from a lost connection', () => {
    const { wire } = toWireError(new PublicError('UNAVAILABLE', 'NO_QUORUM', 'x'));
    expect(fromWireError(serviceError(14, wire.metadata), nowhere)).toMatchObject({
      code: 'REMOTE_ERROR',
      detail: { code: 'NO_QUORUM' },
    });
    expect(fromWireError(serviceError(14, new Metadata()), nowhere)).toMatchObject({
      code: 'CONNECTION_LOST',
    });
    expect(fromWireError(new Error('odd'), nowhere)).toMatchObject({ status: 'UNKNOWN' });
  });
});

describe('a broken invariant', () => {
  it('is never turned into an operating error', () => {
    const broken = new InvariantViolation('invariant violated: test');
    expect(() => asTransportError(broken)).toThrow(broken);
    expect(asTransportError(new Error('x')).code).toBe('PEER_CLOSED');
  });

  it('in a verifier comes out as it is', async () => {
    const broken = new InvariantViolation('invariant violated: test');
    const request = {
      evidence: new Uint8Array(),
      expectedReportData: new Uint8Array(64),
      role: 'replica',
      spkiDer: new Uint8Array(),
    } as const;
    const verifier = { verify: () => Promise.reject(broken) };
    await expect(askVerifier(verifier, clock, request)).rejects.toBe(broken);
  });
});
