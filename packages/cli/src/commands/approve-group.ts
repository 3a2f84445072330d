/** The commands `witan approve` and `witan approvals` and their options, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { withCluster } from '../with-cluster.ts';
import { approvals, type ApprovalsOptions } from './approvals.ts';
import { approve, type ApproveOptions } from './approve.ts';

interface Json {
  readonly json?: boolean;
}

const ELSEWHERE = `
Signing elsewhere (OpenSSL, a hardware module):
  witan approve --manifest next.json --owner carol --prepare to-sign
  openssl pkeyutl -sign -inkey carol.pem -rawin -digest sha256 -in to-sign -out to-sign.sig
  witan approve --manifest next.json --prepare to-sign --attach to-sign.sig

The first manifest of a cluster, each owner alone:
  witan approve --manifest first.json --key alice.key.pem --out alice.jws
  witan set --manifest first.json --approval alice.jws --approval bob.jws`;

/** Adds both commands. */
export function addApprovals(program: Command, run: RunCommand): void {
  const approving = withCluster(
    program
      .command('approve')
      .description('approve a change as one of several owners; in force once enough have')
      .option('--manifest <file>', 'the manifest that is to follow the one in force')
      .option('--proposal <id>', 'what waits under this name: manifest, slots, step of a rotation')
      .option('--key <file>', 'private key of the owner, PEM or JWK')
      .option('--owner <name>', 'the owner who signs elsewhere, with --prepare')
      .option('--prepare <file>', 'write the exact bytes to sign, and what they mean (.txt)')
      .option('--attach <file>', 'a signature over the prepared bytes: DER, r || s, base64')
      .option('--expires-in <time>', 'how long the approval counts: 90m, 12h, 7d (default)')
      .option('--revoke', 'withdraw the approval instead')
      .option('--out <file>', 'write the approval there, a detached JWS, and send nothing')
      .option('--previous <hash>', 'refuse unless this is the newest transition')
      .option('--allow-no-updates', 'approve even a manifest that nothing can follow'),
  ).addHelpText('after', ELSEWHERE);
  const example = 'witan approve --manifest next.json --key bob.key.pem --endpoint witan-1:7070';
  finish(approving, example).action((options: ApproveOptions & Json) =>
    run(options, (context) => approve(context, options)),
  );
  const listing = withCluster(
    program
      .command('approvals')
      .description('changes that wait for approvals: who gave one, who has not, until when')
      .option('--manifest <file>', 'the manifest that is expected to be in force')
      .option('--fetch <id>', 'bring the manifest of this change, with --out')
      .option('--out <file>', 'where to write it'),
  );
  finish(listing, 'witan approvals --endpoint witan-0:7070').action(
    (options: ApprovalsOptions & Json) => run(options, (context) => approvals(context, options)),
  );
}
