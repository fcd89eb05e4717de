import type { Seq } from '../../base/seq.ts';
import type { Address, Port } from '../../base/units.ts';
import { PROTOCOL_STREAM } from '../../wire/packet.ts';
import type { StreamOutput } from './types.ts';

/** The two ends of a stream, and the packets from ours to the other. */
export class PacketWriter {
  readonly local: Address;
  localPort: Port;
  readonly remote: Address;
  readonly remotePort: Port;
  readonly #output: (output: StreamOutput) => void;

  constructor(
    ends: { local: Address; localPort: Port; remote: Address; remotePort: Port },
    output: (output: StreamOutput) => void,
  ) {
    this.local = ends.local;
    this.localPort = ends.localPort;
    this.remote = ends.remote;
    this.remotePort = ends.remotePort;
    this.#output = output;
  }

  send(flags: number, seq: Seq, ack: Seq, window: number, payload: Uint8Array): void {
    this.#output({
      type: 'packet',
      to: this.remote.node,
      packet: {
        protocol: PROTOCOL_STREAM,
        flags,
        source: this.local,
        destination: this.remote,
        sourcePort: this.localPort,
        destinationPort: this.remotePort,
        seq,
        ack,
        window,
        payload,
      },
    });
  }
}
