import { readU32 } from '../../base/bytes.ts';
import { FRAME_OPENED, FRAME_UNAUTHENTIC } from '../../base/crypto.ts';
import type { NodeId } from '../../base/units.ts';
import { RELAY_DELIVER_OVERHEAD } from '../../wire/beacon.ts';
import { CHECKSUM_AT, decodePacket, HEADER_LENGTH, type Packet } from '../../wire/packet.ts';
import { PILS_HEADER_LENGTH, PILS_OVERHEAD } from '../../wire/tunnel-frames.ts';
import type { KeySlot } from '../session/key-slot.ts';
import type { DropReason } from './peer-host.ts';

const DIRECT = { head: PILS_HEADER_LENGTH, checksumAt: CHECKSUM_AT };
const RELAYED = { head: RELAY_DELIVER_OVERHEAD + PILS_HEADER_LENGTH, checksumAt: CHECKSUM_AT };
/** Frames with less than a whole packet header are looked at one by one. */
export const SHORTEST_OF_TRAIN = PILS_OVERHEAD + HEADER_LENGTH;
const TAG_LENGTH = PILS_OVERHEAD - PILS_HEADER_LENGTH;
/** Counters from 2^53 on are not exact, and no sender ever gets there. */
const COUNTER_HIGH_LIMIT = 2 ** 21;

/** Datagrams of `segment` bytes one behind the other, the last perhaps shorter: `skip` bytes each, then a frame. */
export interface ArrivedTrain {
  readonly train: Uint8Array;
  readonly segment: number;
  readonly skip: 0 | typeof RELAY_DELIVER_OVERHEAD;
  /** Of all frames. */
  readonly prefix: number;
}

/** Whose packets are taken, and what becomes of others. */
export interface ArrivalHost {
  readonly node: NodeId;
  drop(reason: DropReason): void;
}

/** The counter of a frame; undefined when no sender ever gets there. */
export function counterOf(high: number, low: number): number | undefined {
  return high < COUNTER_HIGH_LIMIT ? high * 0x1_0000_0000 + low : undefined;
}

/** The packet of an authentic frame; undefined when it is none, or not from this peer to us. */
export function packetFrom(
  peer: NodeId,
  host: ArrivalHost,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
  isChecked = false,
): Packet | undefined {
  const packet = decodePacket(bytes, start, end, isChecked);
  if (typeof packet === 'string') host.drop('bad_packet');
  else if (packet.source.node !== peer) host.drop('inner_source');
  else if (packet.destination.node !== host.node) host.drop('inner_destination');
  else return packet;
  return undefined;
}

/** What was in a train. */
export interface Opening {
  readonly packets: Packet[];
  /** At least one frame was the peer's; at least one was nobody's. */
  readonly isHeard: boolean;
  readonly isDoubtful: boolean;
}

/** Opens a train of one peer in place, all frames in one go, under a slot that knows their prefix. */
export function openArrivals(slot: KeySlot, arrived: ArrivedTrain, peer: NodeId, host: ArrivalHost): Opening {
  const { train, segment, skip, prefix } = arrived;
  const layout = skip === 0 ? DIRECT : RELAYED;
  const verdicts = new Uint8Array(Math.ceil(train.length / segment));
  slot.openTrain(train, segment, layout, verdicts);
  const packets: Packet[] = [];
  let isHeard = false;
  let isDoubtful = false;
  for (let at = 0, frame = 0; at < train.length; at += segment, frame++) {
    const body = at + layout.head;
    if (verdicts[frame] === FRAME_UNAUTHENTIC) {
      isDoubtful = true;
      host.drop('unauthentic');
      continue;
    }
    const counter = counterOf(readU32(train, body - 8), readU32(train, body - 4));
    if (counter === undefined || !slot.take(prefix, counter)) {
      host.drop(counter === undefined ? 'counter_range' : 'replayed');
      continue;
    }
    isHeard = true;
    const end = Math.min(at + segment, train.length) - TAG_LENGTH;
    const packet = packetFrom(peer, host, train, body, end, verdicts[frame] === FRAME_OPENED);
    if (packet !== undefined) packets.push(packet);
  }
  return { packets, isHeard, isDoubtful };
}
