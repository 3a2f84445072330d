/** Keys of both ends: checks one's own identity and reads the peer's key from its certificate. */
import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { Secret, bytesEqual } from '@witan/core';
import { isP256Spki, spkiOfCertificate } from '@witan/keys';
import type { ChannelIdentity } from './channel.ts';
import { TransportError } from './errors.ts';
import { CERTIFICATE_BYTES_MAX } from './limits.ts';

/**
 * Checks that key, certificate and SPKI of an identity belong together.
 *
 * @throws TransportError IDENTITY_MISMATCH
 */
export function checkIdentity(identity: ChannelIdentity): void {
  const pem = identity.privateKeyPem;
  const keyPem = pem instanceof Secret ? Buffer.from(pem.expose()) : pem;
  let part = 'private key';
  try {
    const key = Buffer.from(identity.spkiDer);
    const named = createPublicKey({ key, format: 'der', type: 'spki' });
    const ofKey = createPublicKey(createPrivateKey(keyPem));
    if (!isP256Spki(identity.spkiDer) || !ofKey.equals(named)) {
      throw new TransportError('IDENTITY_MISMATCH', 'identity does not fit together', { part });
    }
    part = 'certificate';
    const certificate = new X509Certificate(identity.certificatePem);
    if (!bytesEqual(spkiOfCertificate(certificate), identity.spkiDer)) {
      throw new TransportError('IDENTITY_MISMATCH', 'identity does not fit together', { part });
    }
  } catch (error) {
    if (error instanceof TransportError) throw error;
    // The cause of a parse failure could quote the key, so it is dropped.
    throw new TransportError('IDENTITY_MISMATCH', 'identity cannot be read', { part });
  }
}

/**
 * The key that the peer has proved to hold, as canonical DER SubjectPublicKeyInfo.
 *
 * @throws TransportError PEER_CERTIFICATE_MISSING, PEER_CERTIFICATE_REFUSED
 */
export function peerSpki(socket: TLSSocket): Uint8Array {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) {
    throw new TransportError('PEER_CERTIFICATE_MISSING', 'peer gave no certificate');
  }
  const { byteLength } = certificate.raw;
  if (byteLength > CERTIFICATE_BYTES_MAX) {
    throw new TransportError('PEER_CERTIFICATE_REFUSED', 'certificate is above its limit', {
      expected: CERTIFICATE_BYTES_MAX,
      found: byteLength,
    });
  }
  // Keys are accepted in one encoding, because the hash of the encoding is an identity.
  const spkiDer = spkiIn(certificate);
  if (!isP256Spki(spkiDer)) {
    throw new TransportError('PEER_CERTIFICATE_REFUSED', 'key of the peer is not on P-256');
  }
  return spkiDer;
}

function spkiIn(certificate: X509Certificate): Uint8Array {
  try {
    return spkiOfCertificate(certificate);
  } catch (cause) {
    throw new TransportError(
      'PEER_CERTIFICATE_REFUSED',
      'certificate of the peer cannot be read',
      {},
      cause,
    );
  }
}
