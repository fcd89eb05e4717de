import { formatEndpoint } from '../../base/endpoint.ts';
import { decodeBeaconMessage } from '../../wire/beacon.ts';
import { classifyDatagram, decodePila, decodePils } from '../../wire/tunnel-frames.ts';

/** What a datagram is, in a few words, for the flow charts of failing worlds. */
export function describeDatagram(data: Uint8Array): string {
  const { kind } = classifyDatagram(data);
  switch (kind) {
    case 'beacon':
      return describeBeacon(data);
    case 'pila': {
      const frame = decodePila(data);
      return frame === 'too_short' ? 'PILA cut' : `PILA ${frame.node}`;
    }
    case 'pils': {
      const frame = decodePils(data);
      if (frame === 'too_short') return 'PILS cut';
      return `PILS ${frame.node} ${frame.prefix.toString(16)}.${frame.counterLow}`;
    }
    default:
      return kind.toUpperCase();
  }
}

function describeBeacon(data: Uint8Array): string {
  const message = decodeBeaconMessage(data);
  if (typeof message === 'string') return `beacon ${message}`;
  switch (message.type) {
    case 'discover':
      return `Discover ${message.node}${message.proof === undefined ? '' : ' proven'}`;
    case 'discoverReply':
      return `DiscoverReply ${formatEndpoint(message.endpoint)}`;
    case 'punchRequest':
      return `PunchRequest ${message.requester} to ${message.target}`;
    case 'punchCommand':
      return `PunchCommand ${formatEndpoint(message.endpoint)}`;
    case 'relay':
      return `Relay ${message.sender} to ${message.destination} [${describeDatagram(message.frame)}]`;
    case 'relayDeliver':
      return `RelayDeliver ${message.sender} [${describeDatagram(message.frame)}]`;
    case 'sync':
      return `Sync ${message.beaconId}`;
  }
}
