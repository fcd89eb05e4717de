import type { Address, NodeId, Port } from '../../base/units.ts';
import { type Packet, PROTOCOL_DATAGRAM } from '../../wire/packet.ts';

/** Stands for every member of a network; no packet is sent to it. spec/03 §8.2 */
export const BROADCAST_NODE: NodeId = 0xffff_ffff;

/** One datagram. spec/03 §8.1 */
export function datagramPacket(
  source: Address,
  sourcePort: Port,
  destination: Address,
  destinationPort: Port,
  payload: Uint8Array,
): Packet {
  return {
    protocol: PROTOCOL_DATAGRAM,
    flags: 0,
    source,
    destination,
    sourcePort,
    destinationPort,
    seq: 0,
    ack: 0,
    window: 0,
    payload,
  };
}
