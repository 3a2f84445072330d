/** Recorded histories: both formats, unknown outcomes, and one as large as porcupine's largest. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkPaths } from '../src/linearizability-main.ts';
import { checkLinearizable } from '../src/linearizability/checker.ts';
import {
  registerModel,
  type Operation,
  type RegisterInput,
} from '../src/linearizability/history.ts';
import { parseHistory } from '../src/linearizability/recorded.ts';
import { SimRandom } from '../src/random.ts';

function verdictOf(text: string): string {
  const recorded = parseHistory(text);
  return recorded.format === 'kv'
    ? checkLinearizable(recorded.model, recorded.history).kind
    : checkLinearizable(recorded.model, recorded.history).kind;
}

/** Lines as Jepsen logs them, between those of others. */
function log(...lines: readonly string[]): string {
  const own = lines.map((line) => `INFO  jepsen.util - ${line.replaceAll(' ', '\t')}`);
  return [
    'INFO  jepsen.core - Worker 0 starting',
    'INFO  jepsen.util - :nemesis :info :start nil',
    ...own.map((line) => line.replace(/\[(\d+)\t(\d+)\]/, '[$1 $2]')),
    'INFO  jepsen.core - Run complete, writing',
  ].join('\n');
}

const WRITE_1 = ['0 :invoke :write 1', '0 :ok :write 1'];

it.each<[string, readonly string[], string]>([
  ['a register that was never written', ['0 :invoke :read nil', '0 :ok :read nil'], 'linearizable'],
  ['what was written', [...WRITE_1, '1 :invoke :read nil', '1 :ok :read 1'], 'linearizable'],
  ['what nobody wrote', [...WRITE_1, '1 :invoke :read nil', '1 :ok :read 2'], 'illegal'],
  ['nothing after a write', [...WRITE_1, '1 :invoke :read nil', '1 :ok :read nil'], 'illegal'],
  ['a read without an answer', [...WRITE_1, '1 :invoke :read nil'], 'linearizable'],
  [
    'a read that timed out',
    [...WRITE_1, '1 :invoke :read nil', '1 :fail :read :timed-out', '1 :invoke :read nil'],
    'linearizable',
  ],
  [
    'a swap that found another value',
    [...WRITE_1, '1 :invoke :cas [2 3]', '1 :fail :cas [2 3]'],
    'linearizable',
  ],
  [
    'a swap that should have worked',
    [...WRITE_1, '1 :invoke :cas [1 3]', '1 :fail :cas [1 3]'],
    'illegal',
  ],
  [
    'a swap that cannot have worked',
    [...WRITE_1, '1 :invoke :cas [2 3]', '1 :ok :cas [2 3]'],
    'illegal',
  ],
  [
    'a swap in doubt that took effect later',
    [
      ...WRITE_1,
      '1 :invoke :cas [1 3]',
      '1 :info :cas :timed-out',
      '0 :invoke :read nil',
      '0 :ok :read 1',
      '0 :invoke :read nil',
      '0 :ok :read 3',
    ],
    'linearizable',
  ],
  [
    'a write in doubt that came and went',
    [
      ...WRITE_1,
      '1 :invoke :write 2',
      '1 :info :write :timed-out',
      '0 :invoke :read nil',
      '0 :ok :read 2',
      '0 :invoke :read nil',
      '0 :ok :read 1',
    ],
    'illegal',
  ],
  [
    'a write that certainly failed and is read',
    [
      '0 :invoke :write 2',
      '0 :fail :write :connection-refused',
      '0 :invoke :read nil',
      '0 :ok :read 2',
    ],
    'illegal',
  ],
  [
    'a write that failed in doubt and is read',
    ['0 :invoke :write 2', '0 :fail :write :timed-out', '0 :invoke :read nil', '0 :ok :read 2'],
    'linearizable',
  ],
])('reads a log of a register: %s', (_, lines, expected) => {
  expect(verdictOf(log(...lines))).toBe(expected);
});

it('reads registers as maps, with keys, in any order of the fields', () => {
  const lines = [
    '{:type :invoke, :f :write, :value 1, :process 0, :key 7, :time 12}',
    '{:process 0, :type :ok, :f :write, :value 1, :key 7}',
    '{:process :nemesis, :type :info, :f :kill, :value nil}',
    '{:process 1, :type :invoke, :f :read, :value nil, :key 8}',
    '{:process 1, :type :ok, :f :read, :value nil, :key 8}',
    '{:process 1, :type :invoke, :f :cas, :value [1 2], :key 7}',
    '{:process 1, :type :info, :f :cas, :value [1 2], :key 7, :error :timed-out}',
  ];
  expect(verdictOf(lines.join('\n'))).toBe('linearizable');
  const wrong = '{:process 2, :type :invoke, :f :read, :value nil, :key 7}';
  const stale = '{:process 2, :type :ok, :f :read, :value nil, :key 7}';
  expect(verdictOf([...lines, wrong, stale].join('\n'))).toBe('illegal');
});

it('reads values with quotes and brackets in them', () => {
  const value = String.raw`"a \"b\" ] } \\"`;
  const lines = [
    `{:process 0, :type :invoke, :f :put, :key "k", :value ${value}}`,
    `{:process 0, :type :ok, :f :put, :key "k", :value ${value}}`,
    '{:process 0, :type :invoke, :f :get, :key "k", :value nil}',
    `{:process 0, :type :ok, :f :get, :key "k", :value ${value}}`,
  ];
  expect(verdictOf(lines.join('\n'))).toBe('linearizable');
});

it.each([
  ['', 1],
  ['INFO  jepsen.core - nothing else', 1],
  ['{:process 0, :type :invoke, :f :get', 1],
  ['{:process 0, :type :invoke, :f :get, :key "k"} 3', 1],
  ['{:process 0, :type :started, :f :get, :key "k"}', 1],
  ['\n{:process 0, :type :invoke, :f :cas, :value 3}', 2],
  ['{:process 0, :type :invoke, :f :read}\n{:process 1, :type :invoke, :f :get}', 2],
  [`{:process 0, :value ${'['.repeat(50)}`, 1],
])('names the line of what is no history: %j', (text, line) => {
  expect(() => parseHistory(text)).toThrow(
    expect.objectContaining({
      code: 'SIMULATOR_HISTORY_MALFORMED',
      fields: expect.objectContaining({ line }) as object,
    }),
  );
});

type Swap = Operation<RegisterInput, string>;

const drawn = fc.record({
  kind: fc.constantFrom('read', 'write', 'cas'),
  a: fc.constantFrom('nil', '1', '2'),
  b: fc.constantFrom('1', '2'),
  output: fc.constantFrom('nil', '1', '2', 'ok', 'fail'),
  calledAt: fc.nat(12),
  lasts: fc.nat(8),
  isOpen: fc.integer({ min: 0, max: 4 }).map((number) => number === 0),
});

const small: fc.Arbitrary<readonly Swap[]> = fc
  .array(drawn, { minLength: 1, maxLength: 5 })
  .map((operations) =>
    operations.map(({ kind, a, b, output, calledAt, lasts, isOpen }, client) => {
      const key = 'k';
      const input: RegisterInput =
        kind === 'cas'
          ? { kind, key, from: a, to: b }
          : kind === 'write'
            ? { kind, key, value: b }
            : { kind: 'read', key };
      if (isOpen) return { client, input, calledAt };
      return { client, input, calledAt, returned: { at: calledAt + lasts, output } };
    }),
  );

it('agrees with trying every order of reads, writes and swaps', () => {
  const kinds = new Map<string, number>();
  fc.assert(
    fc.property(small, (history) => {
      const { kind } = checkLinearizable(registerModel, history);
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
      expect(kind).toBe(someOrderWorks(history, 'nil') ? 'linearizable' : 'illegal');
    }),
    { numRuns: 5_000 },
  );
  expect(Math.min(...kinds.values())).toBeGreaterThan(200);
});

function someOrderWorks(left: readonly Swap[], state: string): boolean {
  if (left.every(({ returned }) => returned === undefined)) return true;
  const firstReturn = Math.min(...left.map(({ returned }) => returned?.at ?? Infinity));
  return left.some((operation) => {
    if (operation.calledAt > firstReturn) return false;
    const next = registerModel.step(state, operation.input, operation.returned?.output);
    const rest = left.filter((other) => other !== operation);
    return next !== undefined && someOrderWorks(rest, next);
  });
}

/** Clients that wait for one another nowhere; every operation takes effect while it is open. */
function largeHistory(seed: number, clients: number, keys: number, operations: number): string[] {
  const random = new SimRandom(seed, 0);
  const lines: { at: number; text: string }[] = [];
  const effects: { at: number; run: () => void }[] = [];
  const states = new Map<string, string>();
  for (let client = 0; client < clients; client += 1) {
    let at = random.exponential(10);
    for (let count = 0; count < operations / clients; count += 1) {
      const key = String(random.int(keys));
      const f = random.pick(['get', 'get', 'append', 'append', 'put'] as const);
      const value = `x ${client} ${count} y`;
      const head = `{:process ${client}, :type`;
      const tail = `:f :${f}, :key "${key}", :value`;
      lines.push({ at, text: `${head} :invoke, ${tail} ${f === 'get' ? 'nil' : `"${value}"`}}` });
      const effectAt = at + random.exponential(5);
      const back = { at: effectAt + random.exponential(5), text: '' };
      effects.push({
        at: effectAt,
        run: () => {
          const state = states.get(key) ?? '';
          if (f !== 'get') states.set(key, f === 'put' ? value : state + value);
          back.text = `${head} :ok, ${tail} "${f === 'get' ? state : value}"}`;
        },
      });
      lines.push(back);
      at = back.at + random.exponential(5);
    }
  }
  for (const { run } of effects.toSorted((a, b) => a.at - b.at)) run();
  return lines.toSorted((a, b) => a.at - b.at).map(({ text }) => text);
}

it('decides histories of fifty clients and a few hundred kilobytes', { timeout: 240_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'witan-histories-'));
  try {
    for (const [seed, keys] of [
      [1, 50],
      [2, 10],
    ] as const) {
      const lines = largeHistory(seed, 50, keys, 2_600);
      writeFileSync(join(directory, `c50-${keys}-ok.txt`), lines.join('\n'));
      // Long after it was written for the first time, a key is said to be empty.
      const read = `:f :get, :key "0", :value`;
      const wrong = [
        ...lines,
        `{:process 99, :type :invoke, ${read} nil}`,
        `{:process 99, :type :ok, ${read} ""}`,
      ];
      writeFileSync(join(directory, `c50-${keys}-bad.txt`), wrong.join('\n'));
    }
    const printed: string[] = [];
    const count = checkPaths([directory], (line) => printed.push(line));
    expect(count, printed.join('\n')).toEqual({ passed: 4, failed: 0 });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
