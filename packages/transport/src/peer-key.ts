/** Keys of both ends: checks one's own identity and reads the peer's key from its certificate. */
import { X509Certificate, createPrivateKey, createPublicKey } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { Secret, bytesEqual, fromHex } from '@witan/core';
import type { ChannelIdentity } from './channel.ts';
import { TransportError } from './errors.ts';
import { CERTIFICATE_BYTES_MAX } from './limits.ts';

// SubjectPublicKeyInfo of an uncompressed P-256 point up to the point (RFC 5480 section 2). Keys
// are accepted in this one encoding, because the hash of the encoding is an identity.
const P256_PREFIX = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');
const P256_SPKI_BYTES = 91;

/** Whether the bytes are the canonical SubjectPublicKeyInfo of a P-256 key, by form. */
function isP256Spki(spkiDer: Uint8Array): boolean {
  return (
    spkiDer.byteLength === P256_SPKI_BYTES &&
    bytesEqual(spkiDer.subarray(0, P256_PREFIX.byteLength), P256_PREFIX)
  );
}

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
    const publicKey = createPublicKey(createPrivateKey(keyPem));
    const ofKey = publicKey.export({ type: 'spki', format: 'der' });
    if (!isP256Spki(identity.spkiDer) || !bytesEqual(ofKey, identity.spkiDer)) {
      throw new TransportError('IDENTITY_MISMATCH', 'identity does not fit together', { part });
    }
    part = 'certificate';
    const certificate = new X509Certificate(identity.certificatePem);
    const ofCertificate = certificate.publicKey.export({ type: 'spki', format: 'der' });
    if (!bytesEqual(ofCertificate, identity.spkiDer)) {
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
  // Asked once: on a client socket a second call finds nothing.
  const raw = socket.getPeerCertificate(true)?.raw as Uint8Array | undefined;
  if (raw === undefined || raw.byteLength === 0) {
    throw new TransportError('PEER_CERTIFICATE_MISSING', 'peer gave no certificate');
  }
  if (raw.byteLength > CERTIFICATE_BYTES_MAX) {
    throw new TransportError('PEER_CERTIFICATE_REFUSED', 'certificate is above its limit', {
      expected: CERTIFICATE_BYTES_MAX,
      found: raw.byteLength,
    });
  }
  const spkiDer = spkiOf(raw);
  if (!isP256Spki(spkiDer)) {
    throw new TransportError('PEER_CERTIFICATE_REFUSED', 'key of the peer is not on P-256');
  }
  return spkiDer;
}

function spkiOf(certificateDer: Uint8Array): Uint8Array {
  try {
    const key = new X509Certificate(certificateDer).publicKey;
    return Uint8Array.from(key.export({ type: 'spki', format: 'der' }));
  } catch (cause) {
    throw new TransportError(
      'PEER_CERTIFICATE_REFUSED',
      'certificate of the peer cannot be read',
      {},
      cause,
    );
  }
}
