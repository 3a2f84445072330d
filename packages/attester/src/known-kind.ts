/** The kind of a provider that learns from its hardware which kind it is. */
import { AttesterError } from './errors.ts';
import type { EvidenceKind } from './provider.ts';

/** Remembers the kind; starts with it where there is no choice. */
export class KnownKind<Kind extends EvidenceKind> {
  readonly #accept: readonly Kind[];
  #kind: Kind | undefined;

  /** @param accept kinds that the caller is ready for, at least one */
  constructor(accept: readonly Kind[]) {
    this.#accept = accept;
    if (accept.length === 1) this.#kind = accept[0];
  }

  /** @throws AttesterError ATTESTER_KIND_UNKNOWN when nothing has said so yet */
  get(): Kind {
    if (this.#kind !== undefined) return this.#kind;
    throw new AttesterError('ATTESTER_KIND_UNKNOWN', 'the kind of evidence is not known yet', {
      fields: {
        expected: this.#accept.join(', '),
        nextStep: 'collect evidence first, or accept one kind only',
      },
    });
  }

  /**
   * @param found the kind that the hardware is of
   * @param source what the hardware called itself
   * @throws AttesterError ATTESTER_PROVIDER_UNKNOWN unless the kind is accepted
   */
  learn(found: EvidenceKind | undefined, source: string): Kind {
    const kind = this.#accept.find((accepted) => accepted === found);
    if (kind === undefined) {
      throw new AttesterError('ATTESTER_PROVIDER_UNKNOWN', 'the TEE is of a kind not accepted', {
        fields: {
          expected: this.#accept.join(', '),
          found: source.slice(0, 64),
          nextStep: 'run on a host whose TEE this program is made for',
        },
      });
    }
    this.#kind = kind;
    return kind;
  }
}
