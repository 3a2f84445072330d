/** `host:port` of the other end. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { TransportError } from './errors.ts';

/** How many addresses of one name are tried. */
const ADDRESSES_MAX = 4;
const ADDRESS_CHARS_MAX = 300;

/**
 * @returns host without brackets, and port
 * @throws TransportError ADDRESS_MALFORMED
 */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):([0-9]{1,5})$/.exec(address);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  const fits = address.length <= ADDRESS_CHARS_MAX && port >= 1 && port <= 65_535;
  if (host === undefined || !fits) {
    throw new TransportError('ADDRESS_MALFORMED', 'address is not host:port', {
      found: address.slice(0, ADDRESS_CHARS_MAX),
    });
  }
  return { host, port };
}

/**
 * The targets, in the syntax of grpc-js, behind an address. Names are looked up here and not by
 * grpc-js, which would dial several addresses at once; what a name leads to needs no trust.
 *
 * @throws TransportError ADDRESS_MALFORMED, ADDRESS_UNRESOLVED
 */
export async function resolveTargets(address: string): Promise<readonly string[]> {
  const { host, port } = parseAddress(address);
  const family = isIP(host);
  if (family !== 0) return [target(host, family, port)];
  try {
    const found = await lookup(host, { all: true, verbatim: true });
    return found.slice(0, ADDRESSES_MAX).map((entry) => target(entry.address, entry.family, port));
  } catch (cause) {
    throw new TransportError(
      'ADDRESS_UNRESOLVED',
      'name of the address cannot be resolved',
      { host },
      cause,
    );
  }
}

function target(host: string, family: number, port: number): string {
  return family === 6 ? `ipv6:[${host}]:${port}` : `ipv4:${host}:${port}`;
}
