import { equal } from '../base/bytes.ts';
import type { Crypto } from '../base/crypto.ts';
import type { NodeId } from '../base/units.ts';
import type { NodeInfo } from '../directory/types.ts';
import type { Log } from '../runtime/ports.ts';
import { decodeNodeRecord, type NodeRecord, verifyNodeRecord } from '../wire/node-record.ts';
import type { Pin, Pins } from './pins.ts';
import type { Warnings } from './warnings.ts';

/** Judges what nodes sign of themselves. Of pinned peers it remembers the newest: an older one is not believed. */
export class PeerRecords {
  readonly #pins: Pins;
  readonly #crypto: Crypto;
  readonly #log: Log;
  readonly #warnings: Warnings;

  constructor(options: { pins: Pins; crypto: Crypto; log: Log; warnings: Warnings }) {
    this.#pins = options.pins;
    this.#crypto = options.crypto;
    this.#log = options.log;
    this.#warnings = options.warnings;
  }

  /** The registry goes back to an earlier state of the node. */
  isFormer(peer: NodeId, pin: Pin, info: NodeInfo): boolean {
    const record = decodeNodeRecord(info.record ?? '');
    if (typeof record === 'string' || record.node !== peer || record.epoch >= pin.epoch) return false;
    return verifyNodeRecord(this.#crypto, record, info.publicKey);
  }

  /** The node's own word, when it verifies under the key and is not older than one seen before. */
  proven(peer: NodeId, key: Uint8Array, info: NodeInfo): NodeRecord | undefined {
    const pin = this.#pins.get(peer);
    if (info.record === undefined) {
      // Between a rotation and the record that follows it there is none.
      const isExpected = pin === undefined || pin.seq === 0 || !equal(info.publicKey, key);
      if (!isExpected) this.#log.event('info', 'registry.record_withheld', { peer });
      return undefined;
    }
    const record = decodeNodeRecord(info.record);
    if (typeof record === 'string' || record.node !== peer) {
      this.#warnings.add('registry.record_invalid', `The record of node ${peer} cannot be read`, peer);
      return undefined;
    }
    // Right after a rotation the record is still signed by the key before.
    if (!verifyNodeRecord(this.#crypto, record, key)) {
      this.#log.event('debug', 'registry.record_unverified', { peer, epoch: record.epoch });
      return undefined;
    }
    if (!this.note(peer, record)) return undefined;
    this.#warnings.clear('registry.record_invalid', peer);
    return record;
  }

  /** False when a newer one was seen before: somebody shows us the past. */
  note(peer: NodeId, record: NodeRecord | undefined): boolean {
    if (record === undefined || this.#pins.saw(peer, record.epoch, record.seq) !== 'older') {
      if (record !== undefined) this.#warnings.clear('registry.record_rolled_back', peer);
      return true;
    }
    this.#warnings.add(
      'registry.record_rolled_back',
      `The registry shows an older record of node ${peer} than it did before: ask its operator`,
      peer,
    );
    return false;
  }
}
