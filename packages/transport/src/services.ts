/**
 * Services by their generated descriptors: handlers are plain async functions over messages, and
 * streams are async iterables. Nothing of gRPC shows here.
 */
import type {
  DescMessage,
  DescMethod,
  DescMethodBiDiStreaming,
  DescMethodClientStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  DescService,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf';
import { assert } from '@witan/core';
import type { AttestedPeer } from './channel.ts';

/** What a handler knows of its call. */
export interface CallContext<Claims> {
  readonly peer: AttestedPeer<Claims>;
  /** Aborted when the caller cancels, its deadline passes or the connection ends. */
  readonly signal: AbortSignal;
  /** Milliseconds since 1970; Infinity when the caller set none. */
  readonly deadlineMs: number;
}

/** The handler of one method, by its kind of streaming. */
export type Handler<Method extends DescMethod, Claims> =
  Method extends DescMethodUnary<infer Input, infer Output>
    ? (
        request: MessageShape<Input>,
        context: CallContext<Claims>,
      ) => Promise<MessageInitShape<Output>>
    : Method extends DescMethodClientStreaming<infer Input, infer Output>
      ? (
          requests: AsyncIterable<MessageShape<Input>>,
          context: CallContext<Claims>,
        ) => Promise<MessageInitShape<Output>>
      : Method extends DescMethodServerStreaming<infer Input, infer Output>
        ? (
            request: MessageShape<Input>,
            context: CallContext<Claims>,
          ) => AsyncIterable<MessageInitShape<Output>>
        : Method extends DescMethodBiDiStreaming<infer Input, infer Output>
          ? (
              requests: AsyncIterable<MessageShape<Input>>,
              context: CallContext<Claims>,
            ) => AsyncIterable<MessageInitShape<Output>>
          : never;

/** A handler for every method of a service, named as in the generated descriptor. */
export type Handlers<Service extends DescService, Claims = unknown> = {
  readonly [Name in keyof Service['method']]: Handler<Service['method'][Name], Claims>;
};

type Init = MessageInitShape<DescMessage>;
type Shape = MessageShape<DescMessage>;

/** One method with its handler, after the types of its messages have done their work. */
export type MethodRegistration<Claims> = { readonly method: DescMethod } & (
  | {
      readonly kind: 'unary';
      readonly handle: (request: Shape, context: CallContext<Claims>) => Promise<Init>;
    }
  | {
      readonly kind: 'client_streaming';
      readonly handle: (
        requests: AsyncIterable<Shape>,
        context: CallContext<Claims>,
      ) => Promise<Init>;
    }
  | {
      readonly kind: 'server_streaming';
      readonly handle: (request: Shape, context: CallContext<Claims>) => AsyncIterable<Init>;
    }
  | {
      readonly kind: 'bidi_streaming';
      readonly handle: (
        requests: AsyncIterable<Shape>,
        context: CallContext<Claims>,
      ) => AsyncIterable<Init>;
    }
);

/** A service with handlers, for the connections that shall see it. */
export interface ServiceRegistration<Claims = unknown> {
  readonly service: DescService;
  readonly methods: readonly MethodRegistration<Claims>[];
}

/**
 * Ties handlers to a service.
 *
 * @param service generated descriptor, for example `UserService`
 * @param handlers one async function for each method; see `PublicError` for how they may fail
 */
export function serviceRegistration<Service extends DescService, Claims = unknown>(
  service: Service,
  handlers: Handlers<Service, Claims>,
): ServiceRegistration<Claims> {
  const byName = handlers as Readonly<Record<string, unknown>>;
  const methods = service.methods.map((method) => {
    const handle = byName[method.localName];
    assert(typeof handle === 'function', 'every method of a registered service has a handler');
    // The mapped type has checked the handler against its method; this is the erased form of that
    // fact, which TypeScript cannot express for a method picked by name at run time.
    const bound: unknown = handle.bind(handlers);
    return { method, kind: method.methodKind, handle: bound } as MethodRegistration<Claims>;
  });
  return { service, methods };
}
