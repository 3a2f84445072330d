/**
 * A mirror of the vendors' services on loopback: a real HTTP or HTTPS server that serves given
 * answers and misbehaves on command. For tests and drills; nothing shipped imports it.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What a service answers; status 200 unless it says otherwise. */
export interface MirrorAnswer {
  readonly body: Uint8Array;
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Answers by path with query; undefined gives 404. */
export type MirrorAnswers = (path: string) => MirrorAnswer | undefined;

/** How an answer goes wrong. */
export type MirrorFault =
  /** Another answer. */
  | ({ readonly kind: 'answer' } & MirrorAnswer)
  /** The right answer after a while. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** Headers and half of the body at once, the rest never. */
  | { readonly kind: 'stalled' }
  /** Promises the whole body, sends half, and breaks off. */
  | { readonly kind: 'truncated' }
  /** Breaks off without an answer. */
  | { readonly kind: 'reset' };

/** A running mirror. */
export interface Mirror {
  /** Without a final slash. */
  readonly url: string;
  /** Paths with queries that were asked for, in order. */
  readonly requests: string[];
  answers: MirrorAnswers;
  /** Every path that contains `part` fails so, the next `times` times. */
  fail(part: string, fault: MirrorFault, times?: number): void;
  /** Back to the right answers. */
  heal(): void;
  close(): Promise<void>;
}

/** Key and certificate of the server, PEM. */
export interface MirrorTls {
  readonly key: string;
  readonly cert: string;
}

/** Starts a mirror on a free port of loopback. */
export async function startMirror(answers: MirrorAnswers, tls?: MirrorTls): Promise<Mirror> {
  const faults: { readonly part: string; readonly fault: MirrorFault; times: number }[] = [];
  const requests: string[] = [];
  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const path = request.url ?? '';
    requests.push(path);
    const found = faults.find(({ part, times }) => times > 0 && path.includes(part));
    if (found !== undefined) found.times -= 1;
    const answer = mirror.answers(path) ?? { status: 404, body: new Uint8Array() };
    misbehave(response, answer, found?.fault);
  };
  const server: Server = tls === undefined ? createServer(handle) : createTlsServer(tls, handle);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const mirror: Mirror = {
    url: tls === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`,
    requests,
    answers,
    fail: (part, fault, times = Number.POSITIVE_INFINITY) => {
      faults.push({ part, fault, times });
    },
    heal: () => {
      faults.length = 0;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return mirror;
}

function misbehave(
  response: ServerResponse,
  answer: MirrorAnswer,
  fault: MirrorFault | undefined,
): void {
  switch (fault?.kind) {
    case undefined:
      send(response, answer);
      return;
    case 'answer':
      send(response, fault);
      return;
    case 'slow':
      setTimeout(() => {
        send(response, answer);
      }, fault.delayMs).unref();
      return;
    case 'stalled':
    case 'truncated': {
      const { body, headers = {} } = answer;
      response.writeHead(200, { ...headers, 'content-length': body.byteLength });
      response.write(body.subarray(0, body.byteLength / 2), () => {
        if (fault.kind === 'truncated') response.destroy();
      });
      return;
    }
    case 'reset':
      response.destroy();
      return;
    default:
      fault satisfies never;
  }
}

function send(response: ServerResponse, { status = 200, headers = {}, body }: MirrorAnswer): void {
  response.writeHead(status, { ...headers, 'content-length': body.byteLength });
  response.end(body);
}
