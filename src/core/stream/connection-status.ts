import type { Ending } from './ending.ts';
import type { Opening } from './opening.ts';
import type { PacketWriter } from './packet-writer.ts';
import type { Receiver } from './receiver.ts';
import type { Sender } from './sender.ts';
import type { ConnId, ConnStatus, StreamState } from './types.ts';

/** The life of a connection in this implementation. */
export type Phase = 'dialing' | 'open' | 'time_wait' | 'dead';

/** The same in the names of spec/03 §1. */
export function streamState(phase: Phase, ending: Ending, opening: Opening): StreamState {
  switch (phase) {
    case 'dialing':
      return 'SYN_SENT';
    case 'time_wait':
      return 'TIME_WAIT';
    case 'dead':
      return 'CLOSED';
    case 'open':
      if (ending.local !== 'open') return 'FIN_WAIT';
      if (ending.remote === 'finished') return 'CLOSE_WAIT';
      return opening.confirmedAt === undefined ? 'SYN_RECV' : 'ESTABLISHED';
    default:
      return phase satisfies never;
  }
}

/** One line of `connections`. `receiver` is undefined until the stream is open. */
export function describeConnection(
  id: ConnId,
  state: StreamState,
  { localPort, remote, remotePort }: PacketWriter,
  sender: Sender,
  receiver: Receiver | undefined,
  opening: Opening,
  sackSent: number,
): ConnStatus {
  const { congestion, rtt } = sender;
  return {
    id,
    localPort,
    remote,
    remotePort,
    state,
    congestionWindow: Math.round(congestion.window),
    slowStartThreshold: Number.isFinite(congestion.threshold) ? Math.round(congestion.threshold) : 0,
    inFlight: sender.inFlight,
    smoothedRtt: rtt.smoothed,
    rttVariance: rtt.variance,
    unacknowledged: sender.unacknowledged,
    outOfOrder: receiver?.buffer.outOfOrderPieces ?? 0,
    peerWindow: sender.peerWindow,
    receiveWindow: receiver?.slots ?? opening.initialSlots,
    inRecovery: sender.inRecovery,
    bytesSent: sender.bytesSent,
    bytesReceived: receiver?.bytesReceived ?? 0,
    segmentsSent: sender.segmentsSent,
    segmentsReceived: receiver?.segmentsReceived ?? 0,
    retransmits: sender.retransmits,
    fastRetransmits: sender.fastRetransmits,
    sackReceived: sender.blocksReceived,
    sackSent,
    duplicateAcks: sender.duplicateAcks,
  };
}
