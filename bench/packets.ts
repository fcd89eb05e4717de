/**
 * CPU cost per packet of 1,152 payload bytes: codec, checksum, AEAD. Yardstick of the same run: SHA-256 of the same
 * bytes.
 */
import { createHash, randomBytes } from 'node:crypto';
import { nodeCrypto } from '../src/platform/index.ts';
import { crc32 } from '../src/wire/crc32.ts';
import { decodePacket, encodePacket, FLAG_ACK, type Packet, PROTOCOL_STREAM } from '../src/wire/packet.ts';
import { nanosecondsPerCall } from './measure.ts';
import type { RunOptions } from './options.ts';
import { type Group, machine, Sheet } from './record.ts';

export async function packets({ runs, short }: RunOptions): Promise<Group> {
  const sheet = new Sheet();
  const costs = steps();
  for (let run = 0; run < runs; run++) {
    for (const { id, call } of costs) {
      sheet.add(id, 'cost', nanosecondsPerCall(call, short ? 500 : 5_000, 5) / 1000);
    }
  }
  return {
    ...{ id: 'packets', title: 'Cost per packet', command: 'npm run bench -- packets' },
    about: `processor time for one packet of 1,152 payload bytes, one thread, ${runs} rounds of 5 batches.`,
    machine: machine(),
    metrics: [{ id: 'cost', title: 'µs', better: 'lower', digits: 2, yardstick: 'sha256' }],
    subjects: costs.map(({ id, name }) => ({ id, name })),
    measured: sheet.measured(),
    goals: [],
    notes: [],
  };
}

interface Step {
  readonly id: string;
  readonly name: string;
  readonly call: () => void;
}

function steps(): Step[] {
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
  return [
    { id: 'sha256', name: 'SHA-256 (yardstick)', call: () => createHash('sha256').update(encoded).digest() },
    { id: 'crc32', name: 'CRC-32', call: () => crc32(encoded) },
    { id: 'encode', name: 'encode packet', call: () => encodePacket(packet) },
    { id: 'decode', name: 'decode packet', call: () => decodePacket(encoded) },
    { id: 'seal', name: 'AES-256-GCM seal', call: () => aead.sealInto(nonce, aad, encoded, out, 0) },
    { id: 'open', name: 'AES-256-GCM open', call: () => aead.open(nonce, aad, sealed) },
  ];
}
