/** The benchmark's client and server over a real socket, and the messages that they carry. */
import { connect } from 'node:net';
import { expect, it } from 'vitest';
import {
  PATHS,
  decodeFields,
  decodeStatus,
  encodeFields,
  encodeHeader,
  encodePut,
  bytesAt,
  numberAt,
} from '../src/etcd-wire.ts';
import { CallFailed, GrpcClient } from '../src/grpc-client.ts';
import { serveUnary, type UnaryHandler } from '../src/grpc-front.ts';
import { freePorts } from '../src/ports.ts';

async function serve(handlers: readonly (readonly [string, UnaryHandler])[]) {
  const [port = 0] = await freePorts(1);
  const close = await serveUnary(port, new Map(handlers));
  return { port, close, client: new GrpcClient(`127.0.0.1:${port}`, 2) };
}

it('answers many calls at once, each with its own message', async () => {
  const echo: UnaryHandler = (request) => Promise.resolve(Uint8Array.from(request));
  const { client, close } = await serve([['/echo', echo]]);
  const requests = Array.from({ length: 2_000 }, (_, at) => Buffer.alloc(300, at % 256));
  const answers = await Promise.all(requests.map((request) => client.call('/echo', request)));
  expect(answers.every((answer, at) => requests[at]?.equals(answer) === true)).toBe(true);
  client.close();
  close();
});

it('fails calls that are refused, unknown, too slow or cut off', async () => {
  const { client, close } = await serve([
    ['/refuse', () => Promise.reject(new Error('no'))],
    ['/never', () => new Promise<Uint8Array>(() => undefined)],
  ]);
  await expect(client.call('/refuse', Buffer.from('x'))).rejects.toBeInstanceOf(CallFailed);
  await expect(client.call('/unknown', Buffer.from('x'))).rejects.toBeInstanceOf(CallFailed);
  await expect(client.call('/never', Buffer.from('x'), 50)).rejects.toBeInstanceOf(CallFailed);
  const cutOff = client.call('/never', Buffer.from('x'));
  client.close();
  await expect(cutOff).rejects.toBeInstanceOf(CallFailed);
  close();
});

it('ends a connection that speaks something else', async () => {
  const { port, client, close } = await serve([]);
  const socket = connect({ port, host: '127.0.0.1' });
  socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  socket.on('error', () => undefined);
  socket.resume();
  await new Promise((resolve) => {
    socket.once('close', resolve);
  });
  expect(socket.destroyed).toBe(true);
  client.close();
  close();
});

it('reads what it writes, and numbers of 64 bits', () => {
  const id = 0xfedc_ba98_7654_3210n;
  const status = decodeStatus(
    encodeFields([
      [1, encodeHeader(id, 7, 3)],
      [4, id],
      [6, 3n],
    ]),
  );
  expect(status).toEqual({ memberId: id, leaderId: id, term: 3n });
  const put = decodeFields(encodePut(Buffer.from('k'), Buffer.alloc(300, 1)));
  expect(Buffer.from(bytesAt(put, 1)).toString()).toBe('k');
  expect(bytesAt(put, 2)).toHaveLength(300);
  expect(numberAt(put, 9)).toBe(0n);
  expect(() => decodeFields(Uint8Array.of(0x0a, 5, 1))).toThrow(RangeError);
  expect(PATHS.put).toBe('/etcdserverpb.KV/Put');
});
