/** A worker of `npm run bench:mesh` that verifies signatures of P-384 until its time is over. */
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';

const durationMs = Number(workerData);
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
// As long as the signed part of a SEV-SNP report.
const data = Buffer.alloc(0x2a0, 7);
const signature = sign('sha384', data, privateKey);
const startedMs = performance.now();
let count = 0;
while (performance.now() - startedMs < durationMs) {
  for (let batch = 0; batch < 10; batch += 1) verify('sha384', data, publicKey, signature);
  count += 10;
}
parentPort?.postMessage((count / (performance.now() - startedMs)) * 1000);
