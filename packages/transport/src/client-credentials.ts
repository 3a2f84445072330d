/**
 * How grpc-js is made to use an attested socket: credentials whose connector runs TLS and the
 * exchange on the TCP socket that grpc-js has opened. `_createSecureConnector`, `_isSecure` and
 * `_equals` are not public interfaces of grpc-js, so its version is pinned and a test fails when
 * they change. A subclass is what grpc-js demands here.
 */
import type { Socket } from 'node:net';
import { CallCredentials, ChannelCredentials } from '@grpc/grpc-js';
import { TransportError } from './errors.ts';

type SecureConnector = ReturnType<ChannelCredentials['_createSecureConnector']>;

/** Turns a connected TCP socket into an attested one. Called once. */
export type Attest = (tcp: Socket) => Promise<Socket>;

export class AttestingCredentials extends ChannelCredentials {
  readonly #attest: Attest;
  #used = false;

  constructor(attest: Attest) {
    super();
    this.#attest = attest;
  }

  override _isSecure(): boolean {
    return true;
  }

  override _equals(other: ChannelCredentials): boolean {
    return this === other;
  }

  override _createSecureConnector(): SecureConnector {
    const callCredentials = CallCredentials.createEmpty();
    return {
      connect: async (tcp) => {
        // One attestation is good for one connection; grpc-js would reconnect by itself.
        if (this.#used) {
          throw new TransportError('CONNECTION_CLOSED', 'connection has ended');
        }
        this.#used = true;
        return { socket: await this.#attest(tcp), secure: true };
      },
      waitForReady: () => Promise.resolve(),
      getCallCredentials: () => callCredentials,
      destroy: () => undefined,
    };
  }
}
