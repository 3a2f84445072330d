import { expect, it } from 'vitest';
import { isSwapOf, parsed } from '../src/bench/logged.ts';
import { summarised } from '../src/bench/mesh-load.ts';
import { partsPerCertificate } from '../src/bench/mesh-parts.ts';
import { cpuMsOf, residentBytesOf } from '../src/bench/process-figures.ts';

it('tells when a slot’s newcomer was swapped in, and no other line', () => {
  const line = (fields: object): string => JSON.stringify(fields);
  const isIt = (text: string, slot: string): boolean => isSwapOf(parsed(text) ?? {}, slot);
  const swap = line({ msg: 'newcomer swapped in', peer: 'witan-1' });
  expect(isIt(swap, 'witan-1')).toBe(true);
  expect(isIt(line({ msg: 'vacant slot filled', peer: 'witan-1' }), 'witan-1')).toBe(true);
  expect(isIt(swap, 'witan-2')).toBe(false);
  expect(isIt(line({ msg: 'joined', peer: 'witan-1' }), 'witan-1')).toBe(false);
  expect(isIt(swap.slice(0, -5), 'witan-1')).toBe(false);
  expect(isIt('witan-coordinator: COORDINATOR_USAGE', 'witan-1')).toBe(false);
});

it('counts what was acknowledged in a span, and latency from when a request was due', () => {
  const acknowledged = (sentMs: number, acknowledgedMs: number) =>
    ({ kind: 'acknowledged', serial: 'ab', sentMs, acknowledgedMs }) as const;
  const failed = (sentMs: number) =>
    ({ kind: 'failed', error: 'CLIENT_UNREACHABLE', sentMs, atMs: sentMs + 1 }) as const;
  const lines = [
    { kind: 'ready' } as const,
    acknowledged(900, 1_100),
    acknowledged(1_200, 1_250),
    acknowledged(1_300, 1_310),
    acknowledged(1_900, 4_900),
    acknowledged(2_000, 2_010),
    failed(1_500),
    failed(2_500),
  ];
  const span = { fromMs: 1_000, untilMs: 2_000 };
  const cpu = { replicas: 30, load: 60, simulatedTee: 6 };
  const found = summarised(lines, span, (part) => cpu[part]);
  // Who was answered in the span, and who was due in it: the late and the failed count as well.
  expect(found).toMatchObject({ count: 3, rate: 3, failed: 1 });
  expect(found.latenciesMs).toEqual([50, 10, 3_000, 20_000]);
  expect(found.cpuMs).toEqual({ replicas: 10, load: 20, simulatedTee: 2 });
});

it('adds up what attestation of both ends demands', () => {
  const parts = { verifyP384: 1, signP384: 2, verifyRsa4096: 0.25, handshake: 3 };
  expect(partsPerCertificate(parts)).toBe(2 * 1 + 2 * 2 + 4 * 0.25 + 3);
});

it('reads CPU time and memory of a process whose name has brackets and blanks', async () => {
  const { title } = process;
  process.title = 'a ) b (';
  const before = await cpuMsOf(process.pid);
  const own = process.cpuUsage();
  while (process.cpuUsage(own).user < 100_000) performance.now();
  const grown = (await cpuMsOf(process.pid)) - before;
  expect(grown).toBeGreaterThanOrEqual(80);
  process.title = title;
  expect(await residentBytesOf(process.pid)).toBeGreaterThan(20 * 1024 * 1024);
});
