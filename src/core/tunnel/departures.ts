import { writeU32 } from '../../base/bytes.ts';
import type { Endpoint, NodeId } from '../../base/units.ts';
import { BEACON, RELAY_OVERHEAD } from '../../wire/beacon.ts';
import { CHECKSUM_AT, encodeUnchecked, HEADER_LENGTH, type Packet } from '../../wire/packet.ts';
import { PILS_HEADER_LENGTH, PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';
import type { KeySlot } from '../session/key-slot.ts';

/** Datagrams one system call takes, and the bytes of all of them: the longest payload of UDP over IPv4. */
export const MOST_FRAMES = 64;
export const LONGEST_TRAIN = 65_507;
/** Chosen: what a turn seldom exceeds, so that one buffer does for ever where its bytes come back; it grows to the second. */
const BUFFER_BYTES = 512 * 1024;
const MOST_BUFFER_BYTES = 4 * 1024 * 1024;
/** Where they don't, a frame that is kept keeps its whole buffer. */
const SINGLE_USE_BYTES = 16 * 1024;

const DIRECT = { head: PILS_HEADER_LENGTH, checksumAt: CHECKSUM_AT };
const RELAYED = { head: RELAY_OVERHEAD + PILS_HEADER_LENGTH, checksumAt: CHECKSUM_AT };

/** Where a train goes. */
export interface Way {
  readonly endpoint: Endpoint;
  readonly relay: boolean;
  readonly via: number;
}

type Depart = (to: Endpoint, data: Uint8Array, via: number, segment: number) => void;

/**
 * Packets on their way out: those that follow each other to one endpoint under one key are written one behind the
 * other, sealed in one go, and leave as one train. A train ends when a packet does not fit it, when anything else is
 * sent, and at the end of the turn.
 */
export class Departures {
  readonly #depart: Depart;
  /** The owner gives the bytes back each time it has taken all outputs. */
  readonly #reuses: boolean;
  #buffer = new Uint8Array(0);
  #at = 0;
  // The train that is being made.
  #start = 0;
  #frames = 0;
  #segment = 0;
  #slot: KeySlot | undefined;
  #way: Way | undefined;
  #isFull = false;

  constructor(reuses: boolean, depart: Depart) {
    this.#reuses = reuses;
    this.#depart = depart;
  }

  /** False at the end of the key's counters. `node`, `peer`: named to a beacon that passes the frame on. */
  add(slot: KeySlot, way: Way, packet: Packet, node: NodeId, peer: NodeId): boolean {
    const { head } = way.relay ? RELAYED : DIRECT;
    const length = head + HEADER_LENGTH + packet.payload.length + PILS_OVERHEAD - PILS_HEADER_LENGTH;
    if (this.#frames > 0 && !this.#joins(slot, way, length)) this.close();
    if (this.#frames === 0) this.#begin(slot, way, length);
    const at = this.#at;
    const frame = at + head - PILS_HEADER_LENGTH;
    if (!slot.begin(this.#buffer, frame)) return false;
    if (way.relay) {
      this.#buffer[at] = BEACON.relay;
      writeU32(this.#buffer, at + 1, node);
      writeU32(this.#buffer, at + 5, peer);
    }
    encodeUnchecked(packet, this.#buffer, at + head);
    this.#at = at + length;
    this.#frames++;
    this.#isFull = length < this.#segment || this.#frames === MOST_FRAMES;
    return true;
  }

  /** Seals what is there and lets it go. */
  close(): void {
    if (this.#frames === 0) return;
    const train = this.#buffer.subarray(this.#start, this.#at);
    const way = this.#way!;
    this.#slot!.sealTrain(train, this.#segment, way.relay ? RELAYED : DIRECT);
    this.#frames = 0;
    this.#depart(way.endpoint, train, way.via, this.#segment);
  }

  /** All outputs were taken. */
  drained(): void {
    if (this.#reuses && this.#frames === 0) this.#at = 0;
  }

  #joins(slot: KeySlot, way: Way, length: number): boolean {
    return (
      !this.#isFull &&
      length <= this.#segment &&
      slot === this.#slot &&
      way === this.#way &&
      this.#at + length <= Math.min(this.#buffer.length, this.#start + LONGEST_TRAIN)
    );
  }

  #begin(slot: KeySlot, way: Way, length: number): void {
    this.#slot = slot;
    this.#way = way;
    this.#segment = length;
    this.#isFull = false;
    if (this.#at + length > this.#buffer.length) {
      // One that did not do for this turn is replaced by one that does for the next.
      const wanted = Math.min(2 * this.#buffer.length, MOST_BUFFER_BYTES);
      const size = this.#reuses ? Math.max(BUFFER_BYTES, wanted) : SINGLE_USE_BYTES;
      this.#buffer = new Uint8Array(Math.max(size, length));
      this.#at = 0;
    }
    this.#start = this.#at;
  }
}
