/**
 * The guest's end of the link to its simulated hardware: one per process, shared by all who ask.
 */
import { fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { TeeSimError } from '../errors.ts';
import {
  LINK_LINE_BYTES_MAX,
  LINK_REQUESTS_MAX,
  TSM_FD_VARIABLE,
  type LinkAnswer,
  type LinkRequest,
} from '../wire/guest-link.ts';
import { isObject, LineSplitter, parseObject, toLine } from '../wire/lines.ts';

interface Waiting {
  readonly resolve: (answer: LinkAnswer) => void;
  readonly reject: (error: TeeSimError) => void;
}

/** Sends requests; answers come in the same order. Does not keep the process alive when idle. */
export class HardwareLink {
  readonly #socket: Socket;
  readonly #lines = new LineSplitter(LINK_LINE_BYTES_MAX);
  readonly #waiting: Waiting[] = [];
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => this.#close());
    socket.on('close', () => this.#close());
    socket.unref();
  }

  /** @throws TeeSimError TEESIM_LIMIT, TEESIM_DISCONNECTED or TEESIM_ANSWER_MALFORMED */
  async request(request: LinkRequest): Promise<LinkAnswer> {
    if (this.#closed) throw disconnected();
    if (this.#waiting.length >= LINK_REQUESTS_MAX) {
      throw new TeeSimError('TEESIM_LIMIT', 'too many requests to the hardware at once', {
        fields: { expected: `at most ${LINK_REQUESTS_MAX}` },
      });
    }
    return await new Promise<LinkAnswer>((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.ref();
      this.#socket.write(toLine(request));
    });
  }

  #receive(chunk: Buffer): void {
    const lines = this.#lines.push(chunk);
    if (lines === undefined) {
      this.#socket.destroy();
      return;
    }
    for (const line of lines) this.#answer(parseAnswer(line));
    if (this.#waiting.length === 0) this.#socket.unref();
  }

  #answer(answer: LinkAnswer | undefined): void {
    const waiting = this.#waiting.shift();
    if (answer !== undefined) {
      waiting?.resolve(answer);
      return;
    }
    waiting?.reject(
      new TeeSimError('TEESIM_ANSWER_MALFORMED', 'the hardware gave an unreadable answer'),
    );
    this.#socket.destroy();
  }

  #close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(disconnected());
  }
}

function disconnected(): TeeSimError {
  return new TeeSimError('TEESIM_DISCONNECTED', 'the simulated hardware is gone');
}

function parseAnswer(line: string): LinkAnswer | undefined {
  const object = parseObject(line);
  if (object === undefined) return undefined;
  const { kind, data, errno, parts } = object as Partial<Record<string, unknown>> & {
    readonly kind?: unknown;
    readonly data?: unknown;
    readonly errno?: unknown;
    readonly parts?: unknown;
  };
  if (kind === 'done') return { kind };
  if (kind === 'data' && typeof data === 'string') return { kind, data };
  if (kind === 'errno' && typeof errno === 'string') return { kind, errno };
  if (kind === 'endorsements' && isObject(parts) && areTexts(parts)) return { kind, parts };
  return undefined;
}

function areTexts(
  parts: Readonly<Record<string, unknown>>,
): parts is Readonly<Record<string, string>> {
  return Object.values(parts).every((part) => typeof part === 'string');
}

const links = new Map<number, HardwareLink>();

/**
 * @param env environment of a process that the simulated hardware launched
 * @throws TeeSimError TEESIM_NO_HARDWARE in any other process
 */
export function hardwareLink(env: NodeJS.ProcessEnv): HardwareLink {
  const text = env[TSM_FD_VARIABLE];
  if (text === undefined || !/^[0-9]{1,4}$/.test(text)) throw noHardware(text);
  const fd = Number(text);
  const known = links.get(fd);
  if (known !== undefined) return known;
  try {
    // A child of a guest inherits the variable but not the socket: the number means nothing there.
    if (!fstatSync(fd).isSocket()) throw noHardware(text);
    const link = new HardwareLink(new Socket({ fd }));
    links.set(fd, link);
    return link;
  } catch (error) {
    if (error instanceof TeeSimError) throw error;
    throw noHardware(text, error);
  }
}

function noHardware(found: string | undefined, cause?: unknown): TeeSimError {
  return new TeeSimError('TEESIM_NO_HARDWARE', 'this process is no guest of simulated hardware', {
    fields: {
      variable: TSM_FD_VARIABLE,
      found: found ?? null,
      nextStep: 'launch the program through the tee-sim daemon',
    },
    cause,
  });
}
