import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import type { KeyGenerations } from '@witan/replica';
import { Rekeying } from '../src/life/rekeying.ts';

/** Generations that count, with commands that say what was applied. */
class CountingGenerations implements KeyGenerations {
  readonly seedNumber = 1;
  count = 0;
  begin(afterIndex: number): Uint8Array {
    return utf8(`begin ${afterIndex}`);
  }
  take(command: Uint8Array) {
    const text = Buffer.from(command).toString();
    if (!text.startsWith('begin ')) return undefined;
    this.count += 1;
    return { generation: this.count, afterIndex: Number(text.slice(6)) };
  }
  seal(): Uint8Array {
    return utf8('');
  }
  open(): void {
    this.count += 0;
  }
  beginUnder(): void {
    this.count += 1;
  }
  forgetFormer(): void {
    this.count += 0;
  }
}

function desk(isNewEpoch = false) {
  const proposed: string[] = [];
  const events: string[] = [];
  const generations = new CountingGenerations();
  const behaviour = { fails: false };
  const rekeying = new Rekeying({
    generations,
    isNewEpoch,
    propose: (command) => {
      proposed.push(Buffer.from(command).toString());
      return behaviour.fails ? Promise.reject(new Error('no leader')) : Promise.resolve();
    },
    onEvent: (event) => events.push(event),
  });
  return { rekeying, proposed, events, behaviour };
}

describe('renewing sealing keys (I4)', () => {
  it('is proposed when a member has left, until it is done', async () => {
    const { rekeying, proposed } = desk();
    await rekeying.beat(5);
    expect(proposed).toEqual([]);
    rekeying.memberLeft(7);
    await rekeying.beat(8);
    await rekeying.beat(9);
    expect(proposed).toEqual(['begin 8', 'begin 9']);
    expect(rekeying.take(utf8('begin 8'))).toBe(true);
    await rekeying.beat(10);
    expect(proposed).toHaveLength(2);
  });

  it('counts only when it was drawn after the departure', async () => {
    const { rekeying, proposed } = desk();
    rekeying.memberLeft(7);
    await rekeying.beat(8);
    rekeying.memberLeft(12);
    rekeying.take(utf8('begin 8'));
    await rekeying.beat(14);
    expect(proposed).toEqual(['begin 8', 'begin 14']);
    rekeying.take(utf8('begin 14'));
    await rekeying.beat(20);
    expect(proposed).toHaveLength(2);
  });

  it('is proposed when an epoch above the first begins', async () => {
    const { rekeying, proposed } = desk(true);
    await rekeying.beat(3);
    expect(proposed).toEqual(['begin 3']);
  });

  it('goes on by a later leader, and after a failure', async () => {
    const { rekeying, proposed, events, behaviour } = desk();
    behaviour.fails = true;
    rekeying.memberLeft(4);
    await rekeying.beat(5);
    expect(events).toEqual(['sealing keys not renewed yet']);
    behaviour.fails = false;
    await rekeying.beat(6);
    expect(proposed).toEqual(['begin 5', 'begin 6']);
  });

  it('takes no other command', () => {
    const { rekeying } = desk();
    expect(rekeying.take(utf8('set-manifest'))).toBe(false);
  });
});
