/** Node adapters of the ports in `runtime/` and `base/`: one small file per port. The only folder that needs `node:`. */
export { nodeClock } from './clock.ts';
export { nodeCrypto } from './crypto.ts';
export { type FileReading, nodeFileReading } from './file-source.ts';
export { guardHome, type HomeReport } from './home-guard.ts';
export { httpPost } from './http-post.ts';
export { type NodeLogOptions, nodeLog } from './log.ts';
export { nodeNet } from './net.ts';
export { passphraseKey } from './passphrase.ts';
export { nodeRandom } from './random.ts';
export { nodeStorage } from './storage.ts';
export type { NodeUdpSocket } from './udp.ts';
