/**
 * The state version in use, and which versions the members announced when it came into use. It only
 * grows. What is applied differently from some version on is decided by it, so that every replica
 * that applies one log does the same.
 */
import {
  incarnationId,
  type CanonicalReader,
  type CanonicalWriter,
  type IncarnationId,
} from '@witan/core';
import { badValue, readHex, writeHex } from './codec.ts';
import * as limits from './limits.ts';
import { refused, type CommandResult } from './results.ts';
import type { StateView } from './view.ts';

/** What one member applies. */
export interface MemberVersion {
  readonly incarnation: IncarnationId;
  readonly version: number;
}

/** Brings a state version into use, or notes the versions of members under the one in use. */
export interface UseVersionCommand {
  readonly kind: 'use-version';
  /** From here on the cluster may use whatever this version has. */
  readonly version: number;
  /** What each member of the configuration announced on its attested channel: all of them (I1). */
  readonly members: readonly MemberVersion[];
}

/** What is in the state of versions. */
export interface VersionsView {
  readonly inUse: number;
  /** As it was recorded; undefined for a member that came in since. */
  of(incarnation: IncarnationId): number | undefined;
}

/** Largest version that is read: whoever announces more is no build of this program. */
export const STATE_VERSION_MAX: number = 65_535;

export class Versions implements VersionsView {
  #inUse: number;
  #members: ReadonlyMap<IncarnationId, number>;

  constructor(inUse = 0, members: readonly MemberVersion[] = []) {
    this.#inUse = inUse;
    this.#members = new Map(members.map(({ incarnation, version }) => [incarnation, version]));
  }

  get inUse(): number {
    return this.#inUse;
  }

  of(incarnation: IncarnationId): number | undefined {
    return this.#members.get(incarnation);
  }

  /** @param command decided by `decideUseVersion` on this very state */
  use({ version, members }: UseVersionCommand): void {
    this.#inUse = Math.max(this.#inUse, version);
    this.#members = new Map(members.map((one) => [one.incarnation, one.version]));
  }

  /** Keeps what is known of these. */
  keep(incarnations: readonly IncarnationId[]): void {
    const kept = [...this.#members].filter(([incarnation]) => incarnations.includes(incarnation));
    this.#members = new Map(kept);
  }

  write(writer: CanonicalWriter): void {
    writer.u64(this.#inUse);
    writer.list([...this.#members], (to, [incarnation, version]) =>
      writeMemberVersion(to, { incarnation, version }),
    );
  }

  static read(reader: CanonicalReader): Versions {
    const inUse = readVersion(reader);
    const members = reader.list(limits.MEMBERS_MAX, readMemberVersion);
    const isBelow = members.some(({ version }) => version < inUse);
    if (inUse === 0 || isBelow) throw badValue('a version in use that some member has not');
    return new Versions(inUse, members);
  }
}

/** Decides without changing anything: the list is of these very members, and all have it. */
export function decideUseVersion(
  { members, versions }: Pick<StateView<unknown>, 'members' | 'versions'>,
  command: UseVersionCommand,
): CommandResult {
  const sorted = (ids: readonly IncarnationId[]) => ids.toSorted().join(',');
  const expected = sorted(members.map(({ incarnation }) => incarnation));
  const found = sorted(command.members.map(({ incarnation }) => incarnation));
  if (expected !== found) {
    // Somebody joined or left while the leader made its list.
    return refused('VERSION_MEMBERS_DIFFER', 'members', members.length, command.members.length);
  }
  const needed = Math.max(command.version, versions.inUse);
  for (const { incarnation, version } of command.members) {
    if (version >= needed) continue;
    const slot = members.find((member) => member.incarnation === incarnation)?.slot;
    return refused('MEMBER_VERSION_TOO_OLD', slot, needed, version);
  }
  return { kind: 'version-in-use', version: needed };
}

/** Appends what follows the kind. */
export function writeUseVersion(writer: CanonicalWriter, command: UseVersionCommand): void {
  writer.u64(command.version).list(command.members, writeMemberVersion);
}

/** Reads what `writeUseVersion` wrote. */
export function readUseVersion(reader: CanonicalReader): UseVersionCommand {
  const version = readVersion(reader);
  const members = reader.list(limits.MEMBERS_MAX, readMemberVersion);
  return { kind: 'use-version', version, members };
}

function writeMemberVersion(writer: CanonicalWriter, { incarnation, version }: MemberVersion) {
  writeHex(writer, incarnation);
  writer.u64(version);
}

function readMemberVersion(reader: CanonicalReader): MemberVersion {
  return { incarnation: incarnationId(readHex(reader, 32)), version: readVersion(reader) };
}

function readVersion(reader: CanonicalReader): number {
  const version = reader.u64();
  if (version > STATE_VERSION_MAX) throw badValue('a version beyond all');
  return version;
}
