import { afterEach, describe, expect, it } from 'vitest';
import { PeerService, UserService } from '@witan/protocol';
import { closeAll, serve } from './support/fixture.ts';

afterEach(closeAll);

describe('an attested channel', () => {
  it('carries calls between replicas that have proved themselves to each other (I1)', async () => {
    const fixture = await serve();
    const connection = await fixture.connect('replica');
    expect(connection.peer).toMatchObject({ role: 'replica', claims: { measurement: 'good' } });
    const answer = await connection.unary(PeerService.method.greet, { standing: { epoch: 5n } });
    expect(answer.standing?.epoch).toBe(5n);
    const [seen] = fixture.server.connections();
    expect(seen?.peer).toMatchObject({ role: 'replica', claims: { measurement: 'good' } });
    expect(seen?.peer.channelBinding).toEqual(connection.peer.channelBinding);
    expect(seen?.peer.channelBinding.byteLength).toBe(32);
  });

  it('serves a client that gives no evidence', async () => {
    const fixture = await serve();
    const connection = await fixture.connect('client');
    const answer = await connection.unary(UserService.method.getStatus, {});
    expect(answer.slot).toBe('client');
    const [seen] = fixture.server.connections();
    expect(seen?.peer.claims).toBeUndefined();
    expect(fixture.verifiers.replica.asked).toBe(0);
  });
});
