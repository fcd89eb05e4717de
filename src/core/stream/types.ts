import type { Address, NodeId, Port } from '../../base/units.ts';
import type { Packet } from '../../wire/packet.ts';

/** Handle of one stream within a node; from 1 upward, never reused in a process life (wraps past 2^32 - 1 skipping live ones). */
export type ConnId = number & { readonly __unit?: 'ConnId' };

export type StreamState =
  | 'SYN_SENT'
  | 'SYN_RECV'
  | 'ESTABLISHED'
  | 'FIN_WAIT'
  | 'CLOSE_WAIT'
  | 'TIME_WAIT'
  | 'CLOSED';

export type CloseReason = 'finished' | 'reset' | 'timeout' | 'refused' | 'aborted' | 'untrusted' | 'shutdown';

export type StreamOutput =
  /** Send this packet to node `to` through the tunnel. `packet.payload` is owned by the receiver of the output. */
  | { readonly type: 'packet'; readonly to: NodeId; readonly packet: Packet }
  /** Our dial completed. */
  | { readonly type: 'connected'; readonly conn: ConnId }
  | { readonly type: 'dialFailed'; readonly conn: ConnId; readonly reason: CloseReason }
  /** A peer's stream arrived on a listening port. */
  | {
      readonly type: 'incoming';
      readonly conn: ConnId;
      readonly port: Port;
      readonly remote: Address;
      readonly remotePort: Port;
    }
  /** `read()` has data or end of stream. */
  | { readonly type: 'readable'; readonly conn: ConnId }
  /** `write()` has room again after it had accepted less than offered. */
  | { readonly type: 'writable'; readonly conn: ConnId }
  /** All our data and our FIN are acknowledged; the peer may still send, and `read` still works. */
  | { readonly type: 'finished'; readonly conn: ConnId }
  /** Both directions ended and nothing is left to read, or the stream ended otherwise; the id is dead after this. */
  | { readonly type: 'closed'; readonly conn: ConnId; readonly reason: CloseReason }
  | {
      readonly type: 'datagram';
      readonly from: Address;
      readonly fromPort: Port;
      readonly toPort: Port;
      readonly payload: Uint8Array;
    }
  /** Answer to `ping()`; `rtt` in ms. */
  | { readonly type: 'pong'; readonly token: number; readonly from: NodeId; readonly rtt: number };

/** One line of `connections`; names as in spec/20 §4.7. */
export interface ConnStatus {
  readonly id: ConnId;
  readonly localPort: Port;
  readonly remote: Address;
  readonly remotePort: Port;
  readonly state: StreamState;
  readonly congestionWindow: number;
  readonly slowStartThreshold: number;
  readonly inFlight: number;
  readonly smoothedRtt: number;
  readonly rttVariance: number;
  readonly unacknowledged: number;
  readonly outOfOrder: number;
  readonly peerWindow: number;
  readonly receiveWindow: number;
  readonly inRecovery: boolean;
  readonly bytesSent: number;
  readonly bytesReceived: number;
  readonly segmentsSent: number;
  readonly segmentsReceived: number;
  readonly retransmits: number;
  readonly fastRetransmits: number;
  readonly sackReceived: number;
  readonly sackSent: number;
  readonly duplicateAcks: number;
}
