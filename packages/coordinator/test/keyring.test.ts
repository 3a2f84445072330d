import { describe, expect, it } from 'vitest';
import { clusterId, epoch, incarnationId, utf8 } from '@witan/core';
import { SealingGenerations, createSeed, parseSealHeader } from '@witan/keys';
import { createKeyring } from '../src/storage/keyring.ts';

const CLUSTER = clusterId('c'.repeat(64));
const seed = createSeed();

let counter = 0;
function keyring() {
  counter += 1;
  const incarnation = incarnationId(counter.toString(16).padStart(64, '0'));
  const generations = new SealingGenerations(seed, CLUSTER);
  const ring = createKeyring({
    clusterId: CLUSTER,
    epoch: epoch(1),
    incarnation,
    generations,
  });
  if (ring.generations === undefined) throw new Error('no generations');
  return { ring, list: ring.generations, generations };
}

describe('the keyring of a Coordinator', () => {
  it('takes a generation up from the log, once, and seals in it from then on (I4)', () => {
    const [one, two] = [keyring(), keyring()];
    const begin = one.list.begin(17);
    const sealed = one.ring.sealCommand(begin);
    for (const { ring, list, generations } of [one, two]) {
      expect(list.take(ring.openCommand(sealed))).toEqual({ generation: 1, afterIndex: 17 });
      // Again, as when a log is replayed over a list that was read from a disk.
      expect(list.take(begin)).toEqual({ generation: 1, afterIndex: 17 });
      expect(generations.current).toBe(1);
    }
    const later = one.ring.sealCommand(utf8('later'));
    expect(parseSealHeader(later).generation).toBe(1);
    expect(two.ring.openCommand(later)).toEqual(utf8('later'));
    expect(two.ring.openSnapshot(one.ring.sealSnapshot(utf8('state')))).toEqual(utf8('state'));
    expect(() => keyring().ring.openCommand(later)).toThrow(
      expect.objectContaining({ code: 'KEYS_SEAL_GENERATION_UNKNOWN' }) as Error,
    );
  });

  it('hands the list to a newcomer that has the seed, and to nobody else (I1)', () => {
    const old = keyring();
    for (const index of [3, 9]) old.list.take(old.list.begin(index));
    const sealed = old.list.seal();
    const newcomer = keyring();
    newcomer.list.open(sealed);
    expect(newcomer.ring.openCommand(old.ring.sealCommand(utf8('x')))).toEqual(utf8('x'));
    const foreign = createSeed();
    const generations = new SealingGenerations(foreign, CLUSTER);
    const stranger = createKeyring({
      clusterId: CLUSTER,
      epoch: epoch(1),
      incarnation: incarnationId('f'.repeat(64)),
      generations,
    });
    expect(() => {
      stranger.generations?.open(sealed);
    }).toThrow(expect.objectContaining({ code: 'KEYS_SEAL_NOT_AUTHENTIC' }) as Error);
  });

  it('leaves every other command alone (I10)', () => {
    const { list, generations } = keyring();
    const begin = list.begin(1);
    for (const other of [utf8(''), utf8('set-manifest'), begin.subarray(0, 60)]) {
      expect(list.take(other)).toBeUndefined();
    }
    expect(list.take(Uint8Array.from([...begin, 0]))).toBeUndefined();
    expect(generations.current).toBe(0);
  });
});
