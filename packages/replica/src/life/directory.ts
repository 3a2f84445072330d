/**
 * Who is who: node ids to identities, from the configuration and from attested peers that spoke for
 * this cluster before this replica had applied their admission. Also remembers who was replaced, so
 * that a zombie is known when it comes back (I2).
 */
import type { IncarnationId } from '@witan/core';
import type { PeerIdentity } from '../standing.ts';

const STRANGERS_MAX = 32;
const RETIRED_MAX = 1024;

export class Directory {
  #members = new Map<number, PeerIdentity>();
  readonly #strangers = new Map<number, PeerIdentity>();
  readonly #retired = new Set<IncarnationId>();
  /** Members by the word of whoever let this newcomer in, while it catches up on how that came. */
  readonly #hints = new Set<IncarnationId>();

  /**
   * @param members of the configuration that the state starts from; none for a newcomer
   * @param hints whom a newcomer can reach. The log or snapshot that follows may be older than they
   *   are, so that none of them counts as replaced for missing in it.
   */
  constructor(members: readonly PeerIdentity[], hints: readonly PeerIdentity[] = []) {
    for (const peer of members) this.#members.set(peer.nodeId, peer);
    for (const peer of hints) {
      this.meet(peer);
      this.#hints.add(peer.incarnation);
    }
  }

  /** The configuration is as new as the hints were: from now on whoever is missing was replaced. */
  forgetHints(): void {
    this.#hints.clear();
  }

  /** Takes over a configuration's members; whoever is missing now was replaced. */
  replace(members: readonly PeerIdentity[]): void {
    const next = new Map(members.map((peer) => [peer.nodeId, peer]));
    for (const peer of this.#members.values()) {
      if (next.has(peer.nodeId)) continue;
      if (this.#hints.has(peer.incarnation)) this.#strangers.set(peer.nodeId, peer);
      else this.#retire(peer.incarnation);
    }
    for (const [id, { incarnation }] of next) {
      this.#strangers.delete(id);
      // Removed before it knew of its admission, it may have asked again and been let in again.
      this.#retired.delete(incarnation);
    }
    this.#members = next;
  }

  /** Notes an attested peer that says it belongs to this cluster. */
  meet(peer: PeerIdentity): void {
    if (this.#members.has(peer.nodeId) || this.#retired.has(peer.incarnation)) return;
    if (this.#strangers.size >= STRANGERS_MAX) this.#strangers.clear();
    this.#strangers.set(peer.nodeId, peer);
  }

  find(nodeId: number): PeerIdentity | undefined {
    return this.#members.get(nodeId) ?? this.#strangers.get(nodeId);
  }

  isRetired(incarnation: IncarnationId): boolean {
    return this.#retired.has(incarnation);
  }

  members(): readonly PeerIdentity[] {
    return [...this.#members.values()];
  }

  #retire(incarnation: IncarnationId): void {
    if (this.#retired.size >= RETIRED_MAX) this.#retired.clear();
    this.#retired.add(incarnation);
  }
}
