import { describe, expect, it } from 'vitest';
import { ClientError, type ClientEvent } from '@witan/client';
import { attemptNotes } from '../src/attempt-notes.ts';

const failed = (endpoint: string, reason: string, slots: string): ClientEvent => ({
  kind: 'attempt-failed',
  endpoint,
  error: new ClientError('CLIENT_UNREACHABLE', { endpoint, reason, slots }),
});

describe('notes of attempts', () => {
  it('tell the same failure of an endpoint once, and another one anew', () => {
    const notes: string[] = [];
    const take = attemptNotes((text) => notes.push(text));
    for (let round = 0; round < 5; round += 1) {
      take(failed('a:1', 'SEALED', `${round}, 2`));
      take(failed('b:1', 'SEALED', '1, 2'));
      take({ kind: 'waiting', delayMs: 10 });
    }
    expect(notes.map((note) => note.slice(0, 4))).toEqual(['a:1:', 'b:1:']);
    take(failed('a:1', 'FOUNDING', ''));
    take({ kind: 'connected', endpoint: 'b:1', incarnation: 'ab' });
    expect(notes).toHaveLength(3);
    expect(notes[2]).toContain('reason=FOUNDING');
  });

  it('leave the last failure to whoever throws it', () => {
    const notes: string[] = [];
    const take = attemptNotes((text) => notes.push(text));
    take(failed('a:1', 'SEALED', ''));
    expect(notes).toEqual([]);
  });
});
