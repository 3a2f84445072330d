/**
 * TLS parameters of the attested channel, and the only place that switches certificate checks off.
 *
 * Why that is right here: certificates of this channel are self-signed over keys made in memory a
 * moment ago, and no name in them means anything, so a chain check could only ever fail. TLS itself
 * proves that the peer holds the key of its certificate (CertificateVerify, RFC 8446 section
 * 4.4.3); who holds that key is decided by the attestation exchange, which every connection passes
 * before any application byte (exchange.ts). Nothing outside of this package may use these options.
 */
import { constants } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  createSecureContext,
  type ConnectionOptions,
  type SecureContext,
  type SecureContextOptions,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls';
import { Secret } from '@witan/core';
import type { ChannelIdentity } from './channel.ts';
import { TransportError } from './errors.ts';
import { checkIdentity } from './peer-key.ts';

/** ALPN name (RFC 7301): keeps peers of other protocols, and resumed confusions, apart. */
export const CHANNEL_ALPN = 'witan-attested/1';

const ONLY_TLS_1_3 = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

function contextOptions(identity: ChannelIdentity): SecureContextOptions {
  const pem = identity.privateKeyPem;
  return {
    ...ONLY_TLS_1_3,
    key: pem instanceof Secret ? Buffer.from(pem.expose()) : pem,
    cert: identity.certificatePem,
    ciphers: 'TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256',
    sigalgs: 'ecdsa_secp256r1_sha256',
    // In TLS 1.3 this makes tickets stateful, not absent; the server answers every look-up with
    // "unknown", and both ends refuse a reused session on top (refuseWeakSession).
    secureOptions: constants.SSL_OP_NO_TICKET,
  };
}

/**
 * @param handshakeTimeoutMs for TLS alone
 * @throws TransportError IDENTITY_MISMATCH
 */
export function serverTlsOptions(
  identity: ChannelIdentity,
  handshakeTimeoutMs: number,
): TlsOptions {
  checkIdentity(identity);
  return {
    ...contextOptions(identity),
    ALPNProtocols: [CHANNEL_ALPN],
    requestCert: true,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
  };
}

// One context for each identity: reading the key costs as much as a tenth of a handshake.
const clientContexts = new WeakMap<ChannelIdentity, SecureContext>();

/** @throws TransportError IDENTITY_MISMATCH */
export function clientContext(identity: ChannelIdentity): SecureContext {
  const known = clientContexts.get(identity);
  if (known !== undefined) return known;
  checkIdentity(identity);
  const made = createSecureContext(contextOptions(identity));
  clientContexts.set(identity, made);
  return made;
}

/**
 * @param tcp a connected socket, which TLS takes over
 * @throws TransportError IDENTITY_MISMATCH
 */
export function clientTlsOptions(identity: ChannelIdentity, tcp: Socket): ConnectionOptions {
  return {
    ...ONLY_TLS_1_3,
    secureContext: clientContext(identity),
    ALPNProtocols: [CHANNEL_ALPN],
    rejectUnauthorized: false,
    socket: tcp,
  };
}

/**
 * Demands a full TLS 1.3 handshake of this protocol.
 *
 * @throws TransportError TLS_VERSION_REFUSED, TLS_SESSION_REUSED, TLS_PROTOCOL_REFUSED
 */
export function refuseWeakSession(socket: TLSSocket): void {
  const version = socket.getProtocol();
  if (version !== 'TLSv1.3') {
    throw new TransportError('TLS_VERSION_REFUSED', 'TLS version is not 1.3', { found: version });
  }
  if (socket.isSessionReused()) {
    throw new TransportError('TLS_SESSION_REUSED', 'TLS session was resumed');
  }
  if (socket.alpnProtocol !== CHANNEL_ALPN) {
    throw new TransportError('TLS_PROTOCOL_REFUSED', 'TLS application protocol is another', {
      expected: CHANNEL_ALPN,
      found: String(socket.alpnProtocol).slice(0, 64),
    });
  }
}

/** Translates a failed TLS handshake; OpenSSL's own code is kept as a field. */
export function tlsFailure(cause: unknown): TransportError {
  const tlsCode = codeOf(cause);
  const fields = { tlsCode };
  switch (tlsCode) {
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
    case 'ERR_SSL_TLS_ALERT_PROTOCOL_VERSION':
      return new TransportError('TLS_VERSION_REFUSED', 'TLS version is not 1.3', fields, cause);
    case 'ERR_SSL_NO_APPLICATION_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL':
    case 'ERR_SSL_TLS_ALERT_NO_APPLICATION_PROTOCOL':
      return new TransportError(
        'TLS_PROTOCOL_REFUSED',
        'TLS application protocol is another',
        fields,
        cause,
      );
    case 'ERR_TLS_HANDSHAKE_TIMEOUT':
      return new TransportError(
        'HANDSHAKE_DEADLINE_EXCEEDED',
        'handshake took too long',
        { step: 'tls' },
        cause,
      );
    default:
      return new TransportError('TLS_HANDSHAKE_FAILED', 'TLS handshake failed', fields, cause);
  }
}

function codeOf(cause: unknown): string {
  if (typeof cause !== 'object' || cause === null || !('code' in cause)) return 'unknown';
  return String(cause.code).slice(0, 64);
}
