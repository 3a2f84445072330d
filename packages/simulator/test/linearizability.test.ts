import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkPaths } from '../src/linearizability-main.ts';
import { checkLinearizable } from '../src/linearizability/checker.ts';
import { kvModel, type KvInput, type Operation } from '../src/linearizability/history.ts';
import { parseHistory } from '../src/linearizability/recorded.ts';

type KvOperation = Operation<KvInput, string>;

const VECTORS = fileURLToPath(
  new URL('../../../../shared/vectors/linearizability', import.meta.url),
);

it.skipIf(!existsSync(VECTORS))('gives the known verdicts on recorded histories', () => {
  const lines: string[] = [];
  expect(
    checkPaths([VECTORS], (line) => lines.push(line)),
    lines.join('\n'),
  ).toEqual({
    passed: 3,
    failed: 0,
  });
});

const drawnOperation = fc.record({
  kind: fc.constantFrom('get', 'put', 'append'),
  key: fc.constantFrom('a', 'b', 'c'),
  early: fc.integer({ min: 0, max: 60 }),
  late: fc.integer({ min: 0, max: 60 }),
  isLost: fc.integer({ min: 0, max: 5 }).map((number) => number === 0),
});

type Drawn = typeof drawnOperation extends fc.Arbitrary<infer Value> ? Value : never;

/** Takes effect at the points 10, 20, 30 …; calls and returns surround each point at random. */
function linearizableHistory(drawn: readonly Drawn[]): KvOperation[] {
  const states = new Map<string, string>();
  return drawn.map(({ kind, key, early, late, isLost }, client) => {
    const point = 10 * (client + 1);
    const value = `${client},`;
    const input: KvInput = kind === 'get' ? { kind, key } : { kind: kind as 'put', key, value };
    const before = states.get(key) ?? '';
    states.set(key, kvModel.step(before, input, undefined) ?? '');
    const output = kind === 'get' ? before : '';
    const called = { client, input, calledAt: point - early };
    return isLost ? called : { ...called, returned: { at: point + late, output } };
  });
}

const linearizable = fc
  .array(drawnOperation, { minLength: 1, maxLength: 30 })
  .map(linearizableHistory);

it('accepts every history that was made from an order of its operations', () => {
  fc.assert(
    fc.property(linearizable, (history) => {
      expect(checkLinearizable(kvModel, history).kind).toBe('linearizable');
    }),
  );
});

it('refuses a read of what nobody wrote, wherever it stands', () => {
  fc.assert(
    fc.property(linearizable, fc.nat(), (history, pick) => {
      const at = pick % history.length;
      const invented: KvOperation = {
        client: 99,
        input: { kind: 'get', key: history[at]?.input.key ?? 'a' },
        calledAt: (history[at]?.calledAt ?? 0) + 0.5,
        returned: { at: 10_000, output: 'never written' },
      };
      const verdict = checkLinearizable(kvModel, [...history, invented]);
      expect(verdict).toMatchObject({ kind: 'illegal', key: invented.input.key });
    }),
  );
});

it('refuses a read that misses a write which had returned before it was called', () => {
  fc.assert(
    fc.property(linearizable, (history) => {
      const end = 100_000;
      const write: KvInput = { kind: 'append', key: 'a', value: 'last' };
      const late: KvOperation[] = [
        { client: 98, input: write, calledAt: end, returned: { at: end + 1, output: '' } },
        {
          client: 99,
          input: { kind: 'get', key: 'a' },
          calledAt: end + 2,
          returned: { at: end + 3, output: 'stale' },
        },
      ];
      expect(checkLinearizable(kvModel, [...history, ...late]).kind).toBe('illegal');
    }),
  );
});

it('agrees with trying every order on small histories, right or wrong', () => {
  const small = fc.array(drawnOperation, { minLength: 1, maxLength: 5 }).map(linearizableHistory);
  const kinds = new Set<string>();
  fc.assert(
    fc.property(small, fc.nat(4), fc.constantFrom('', '0,', '1,', '0,1,'), (good, at, output) => {
      const history = good.map((operation, index) =>
        index === at && operation.returned !== undefined && operation.input.kind === 'get'
          ? { ...operation, returned: { ...operation.returned, output } }
          : operation,
      );
      const { kind } = checkLinearizable(kvModel, history);
      kinds.add(kind);
      expect(kind).toBe(someOrderWorks(history, new Map()) ? 'linearizable' : 'illegal');
    }),
    { numRuns: 2_000 },
  );
  expect(kinds).toEqual(new Set(['linearizable', 'illegal']));
});

/**
 * The definition, without any cleverness: whatever is not preceded by another one may come next.
 */
function someOrderWorks(
  left: readonly KvOperation[],
  states: ReadonlyMap<string, string>,
): boolean {
  if (left.every(({ returned }) => returned === undefined)) return true;
  const firstReturn = Math.min(...left.map(({ returned }) => returned?.at ?? Infinity));
  return left.some((operation) => {
    if (operation.calledAt > firstReturn) return false;
    const { key } = operation.input;
    const state = states.get(key) ?? '';
    const next = kvModel.step(state, operation.input, operation.returned?.output);
    if (next === undefined) return false;
    const rest = left.filter((other) => other !== operation);
    return someOrderWorks(rest, new Map([...states, [key, next]]));
  });
}

it('says unknown when its steps are used up, and never more than it knows', () => {
  const history: KvOperation[] = Array.from({ length: 12 }, (_, client) => ({
    client,
    input: { kind: 'append', key: 'a', value: String(client) },
    calledAt: 0,
    returned: { at: 10, output: '' },
  }));
  const read = { kind: 'get', key: 'a' } as const;
  history.push({ client: 99, input: read, calledAt: 20, returned: { at: 21, output: 'x' } });
  expect(checkLinearizable(kvModel, history, { stepsMax: 1_000 })).toMatchObject({
    kind: 'unknown',
    key: 'a',
  });
});

it('lets a write with an unknown outcome take effect late, or never', () => {
  const lost: KvOperation = {
    client: 0,
    input: { kind: 'put', key: 'a', value: 'lost' },
    calledAt: 0,
  };
  const read = (at: number, output: string): KvOperation => ({
    client: 1,
    input: { kind: 'get', key: 'a' },
    calledAt: at,
    returned: { at: at + 1, output },
  });
  expect(checkLinearizable(kvModel, [lost, read(5, '')]).kind).toBe('linearizable');
  expect(checkLinearizable(kvModel, [lost, read(5, ''), read(9, 'lost')]).kind).toBe(
    'linearizable',
  );
  expect(checkLinearizable(kvModel, [lost, read(5, 'lost'), read(9, '')]).kind).toBe('illegal');
});

it('names the line that is no operation, and the one that nobody called', () => {
  const invoke = '{:process 0, :type :invoke, :f :get, :key "0", :value nil}';
  const ok = '{:process 1, :type :ok, :f :get, :key "0", :value ""}';
  for (const [text, line] of [
    ['nonsense', 1],
    [`${invoke}\n${invoke}`, 2],
    [`${invoke}\n\n${ok}`, 3],
  ] as const) {
    expect(() => parseHistory(text)).toThrow(
      expect.objectContaining({
        code: 'SIMULATOR_HISTORY_MALFORMED',
        fields: expect.objectContaining({ line }) as object,
      }),
    );
  }
});
