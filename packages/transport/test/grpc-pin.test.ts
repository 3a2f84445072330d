/**
 * The parts of grpc-js that this package uses although they are not public. When this fails after
 * an update, read client-credentials.ts, dial.ts and server-connection.ts against the new source.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { ChannelCredentials, Server } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';

const require = createRequire(import.meta.url);

function source(path: string): string {
  return readFileSync(require.resolve(`@grpc/grpc-js/build/src/${path}`), 'utf8');
}

describe('grpc-js', () => {
  it('is the version whose private interface is used, here and in the manifest', () => {
    const { version } = require('@grpc/grpc-js/package.json') as { version: string };
    const own = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect(version).toBe('1.14.7');
    expect(own.dependencies['@grpc/grpc-js']).toBe('1.14.7');
  });

  it('has credentials that make a secure connector', () => {
    const credentials = ChannelCredentials.createSsl();
    const connector = credentials._createSecureConnector(
      { scheme: 'ipv4', path: '127.0.0.1:1' },
      {},
      undefined,
    );
    expect(typeof connector.connect).toBe('function');
    expect(typeof connector.waitForReady).toBe('function');
    expect(typeof connector.getCallCredentials).toBe('function');
    expect(typeof connector.destroy).toBe('function');
    expect(credentials._isSecure()).toBe(true);
    expect(credentials._equals(credentials)).toBe(true);
  });

  it('asks the connector before it uses the socket', () => {
    const transport = source('transport.js');
    expect(transport).toContain('await secureConnector.connect(tcpConnection)');
    expect(transport).toContain('await secureConnector.waitForReady()');
    expect(transport).toMatch(/createConnection: \(authority, option\) => \{\s+return secure/);
  });

  it('takes connections from outside on the server', () => {
    expect(typeof Server.prototype.createConnectionInjector).toBe('function');
    expect(source('server.js')).toContain("server.emit('connection', connection)");
  });
});
