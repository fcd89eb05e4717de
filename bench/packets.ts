/**
 * CPU cost per packet of 1,152 payload bytes: codec, checksum, AEAD. Yardstick of the same run: SHA-256 of the
 * same bytes. Run: node dist/bench/packets.js
 */
import { createHash, randomBytes } from 'node:crypto';
import { nodeCrypto } from '../src/platform/index.ts';
import { crc32 } from '../src/wire/crc32.ts';
import { decodePacket, encodePacket, FLAG_ACK, type Packet, PROTOCOL_STREAM } from '../src/wire/packet.ts';
import { nanosecondsPerCall, table } from './measure.ts';

const payload = new Uint8Array(randomBytes(1152));
const packet: Packet = {
  protocol: PROTOCOL_STREAM,
  flags: FLAG_ACK,
  source: { network: 0, node: 1 },
  destination: { network: 0, node: 2 },
  sourcePort: 49152,
  destinationPort: 1001,
  seq: 1,
  ack: 1,
  window: 512,
  payload,
};
const encoded = encodePacket(packet);
const aead = nodeCrypto().aead(new Uint8Array(randomBytes(32)));
const nonce = new Uint8Array(12);
const aad = new Uint8Array(4);
const out = new Uint8Array(encoded.length + 16);
aead.sealInto(nonce, aad, encoded, out, 0);
const sealed = out.slice();

const costs: [string, number][] = [
  ['yardstick: SHA-256', nanosecondsPerCall(() => createHash('sha256').update(encoded).digest(), 5_000)],
  ['CRC-32', nanosecondsPerCall(() => crc32(encoded), 20_000)],
  ['encode packet', nanosecondsPerCall(() => encodePacket(packet), 20_000)],
  ['decode packet', nanosecondsPerCall(() => decodePacket(encoded), 20_000)],
  ['AES-256-GCM seal', nanosecondsPerCall(() => aead.sealInto(nonce, aad, encoded, out, 0), 5_000)],
  ['AES-256-GCM open', nanosecondsPerCall(() => aead.open(nonce, aad, sealed), 5_000)],
];
const yardstick = costs[0]![1];
table([
  ['per packet of 1,152 payload bytes', 'us', 'x yardstick'],
  ...costs.map(([name, ns]) => [name, (ns / 1000).toFixed(2), (ns / yardstick).toFixed(2)]),
]);
