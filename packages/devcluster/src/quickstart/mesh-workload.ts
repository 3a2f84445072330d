/**
 * A workload of the quickstart: speaks mutual TLS with nothing but the files that the initializer
 * wrote. Run as `mesh-workload.ts serve DIR` (prints the port, answers one line per connection) or
 * `mesh-workload.ts call DIR PORT NAME` (prints whom it talked to).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, createServer, type TLSSocket } from 'node:tls';

const DEADLINE_MS = 10_000;

interface Credentials {
  readonly key: Buffer;
  readonly cert: Buffer;
  readonly ca: Buffer;
}

async function credentialsIn(directory: string): Promise<Credentials> {
  const [key, cert, ca] = await Promise.all(
    ['key.pem', 'cert.pem', 'ca.pem'].map((name) => readFile(join(directory, name))),
  );
  if (key === undefined || cert === undefined || ca === undefined) throw new Error('three files');
  return { key, cert, ca };
}

/** The URI name in the peer's certificate, for example `spiffe://…/workload/web`. */
function identityOf(socket: TLSSocket): string {
  const names = socket.getPeerCertificate().subjectaltname ?? '';
  return /URI:(\S+?)(,|$)/.exec(names)?.[1] ?? '';
}

async function serve(directory: string): Promise<void> {
  const credentials = await credentialsIn(directory);
  const server = createServer({
    ...credentials,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
  });
  server.on('secureConnection', (socket) => {
    socket.on('error', () => socket.destroy());
    socket.end(`hello ${identityOf(socket)}\n`);
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    process.stdout.write(`${JSON.stringify({ port })}\n`);
  });
  process.on('SIGTERM', () => process.exit(0));
  process.on('disconnect', () => process.exit(0));
}

async function call(directory: string, port: number, name: string): Promise<void> {
  const credentials = await credentialsIn(directory);
  const socket = connect({
    ...credentials,
    host: '127.0.0.1',
    port,
    servername: name,
    minVersion: 'TLSv1.3',
  });
  socket.setTimeout(DEADLINE_MS, () => socket.destroy(new Error('no answer in time')));
  let answer = '';
  let server = '';
  socket.on('secureConnect', () => {
    server = identityOf(socket);
  });
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString();
  });
  await new Promise<void>((resolve, reject) => {
    socket.on('end', resolve);
    socket.on('error', reject);
  });
  const client = answer.trim().replace(/^hello /, '');
  process.stdout.write(`${JSON.stringify({ client, server })}\n`);
}

const [mode, directory = '', port, name = ''] = process.argv.slice(2);
if (mode === 'serve') await serve(directory);
else if (mode === 'call') await call(directory, Number(port), name);
else process.exitCode = 2;
