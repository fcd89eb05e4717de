/**
 * IPC commands with sub-commands: handshake (0x0F), network (0x1F), managed (0x23). spec/20 §6 to §8
 * A decoder returns the command, or the exact text of the Error reply an old daemon gives.
 */
import { concat, fromUtf8, readU16, readU32, utf8, writeU16, writeU32 } from '../base/bytes.ts';
import type { Millis, NetworkId, NodeId } from '../base/units.ts';
import { hex2 } from './ipc.ts';

export type HandshakeCommand =
  | { readonly sub: 'send'; readonly node: NodeId; readonly justification: string }
  | { readonly sub: 'approve'; readonly node: NodeId }
  | { readonly sub: 'reject'; readonly node: NodeId; readonly reason: string }
  | { readonly sub: 'pending' }
  | { readonly sub: 'trusted' }
  | { readonly sub: 'revoke'; readonly node: NodeId }
  /** Later versions only. */
  | { readonly sub: 'wait'; readonly node: NodeId; readonly timeout: Millis };

/** Payload of command 0x0F. */
export function encodeHandshakeCommand(command: HandshakeCommand): Uint8Array {
  switch (command.sub) {
    case 'send':
      return concat(u8(0x01), u32(command.node), utf8(command.justification));
    case 'approve':
      return concat(u8(0x02), u32(command.node));
    case 'reject':
      return concat(u8(0x03), u32(command.node), utf8(command.reason));
    case 'pending':
      return u8(0x04);
    case 'trusted':
      return u8(0x05);
    case 'revoke':
      return concat(u8(0x06), u32(command.node));
    case 'wait':
      return concat(u8(0x07), u32(command.node), u32(command.timeout));
  }
}

/** The command, or the text of the Error reply. */
export function decodeHandshakeCommand(payload: Uint8Array): HandshakeCommand | string {
  if (payload.length === 0) return 'handshake: missing sub-command';
  const sub = payload[0]!;
  if (sub === 0x04) return { sub: 'pending' };
  if (sub === 0x05) return { sub: 'trusted' };
  const verb = HANDSHAKE_VERBS[sub];
  if (verb === undefined) return `handshake: unknown sub-command 0x${hex2(sub)}`;
  if (payload.length < (sub === 0x07 ? 9 : 5)) return `handshake ${verb}: missing node_id`;
  const node = readU32(payload, 1);
  switch (sub) {
    case 0x01:
      return { sub: 'send', node, justification: fromUtf8(payload.subarray(5)) };
    case 0x02:
      return { sub: 'approve', node };
    case 0x03:
      return { sub: 'reject', node, reason: fromUtf8(payload.subarray(5)) };
    case 0x06:
      return { sub: 'revoke', node };
    default:
      return { sub: 'wait', node, timeout: readU32(payload, 5) };
  }
}

const HANDSHAKE_VERBS: Readonly<Record<number, string>> = {
  1: 'request',
  2: 'approve',
  3: 'reject',
  6: 'revoke',
  7: 'wait',
};

export type NetworkCommand =
  | { readonly sub: 'list' }
  | { readonly sub: 'join'; readonly network: NetworkId; readonly token: string }
  | { readonly sub: 'leave'; readonly network: NetworkId }
  | { readonly sub: 'members'; readonly network: NetworkId }
  | { readonly sub: 'invite'; readonly network: NetworkId; readonly target: NodeId }
  | { readonly sub: 'pollInvites' }
  | { readonly sub: 'respondInvite'; readonly network: NetworkId; readonly accept: boolean };

/** Payload of command 0x1F. */
export function encodeNetworkCommand(command: NetworkCommand): Uint8Array {
  switch (command.sub) {
    case 'list':
      return u8(0x01);
    case 'join':
      return concat(u8(0x02), u16(command.network), utf8(command.token));
    case 'leave':
      return concat(u8(0x03), u16(command.network));
    case 'members':
      return concat(u8(0x04), u16(command.network));
    case 'invite':
      return concat(u8(0x05), u16(command.network), u32(command.target));
    case 'pollInvites':
      return u8(0x06);
    case 'respondInvite':
      return concat(u8(0x07), u16(command.network), u8(command.accept ? 1 : 0));
  }
}

/** The command, or the text of the Error reply. */
export function decodeNetworkCommand(payload: Uint8Array): NetworkCommand | string {
  if (payload.length === 0) return 'network: missing sub-command';
  const long = (length: number) => payload.length >= length;
  switch (payload[0]) {
    case 0x01:
      return { sub: 'list' };
    case 0x02:
      if (!long(3)) return 'network join: missing network_id';
      return { sub: 'join', network: readU16(payload, 1), token: fromUtf8(payload.subarray(3)) };
    case 0x03:
      return long(3) ? { sub: 'leave', network: readU16(payload, 1) } : 'network leave: missing network_id';
    case 0x04:
      return long(3)
        ? { sub: 'members', network: readU16(payload, 1) }
        : 'network members: missing network_id';
    case 0x05:
      if (!long(7)) return 'network invite: missing network_id or target_node_id';
      return { sub: 'invite', network: readU16(payload, 1), target: readU32(payload, 3) };
    case 0x06:
      return { sub: 'pollInvites' };
    case 0x07:
      if (!long(4)) return 'network respond-invite: missing network_id or accept flag';
      return { sub: 'respondInvite', network: readU16(payload, 1), accept: payload[3] === 1 };
    default:
      return `network: unknown sub-command 0x${hex2(payload[0]!)}`;
  }
}

/** `network` 0 in status, rankings and cycle means the first engine. */
export type ManagedCommand =
  | {
      readonly sub: 'score';
      readonly network: NetworkId;
      readonly node: NodeId;
      readonly delta: number;
      readonly topic: string;
    }
  | { readonly sub: 'status' | 'rankings' | 'cycle'; readonly network: NetworkId }
  | { readonly sub: 'policyGet'; readonly network: NetworkId }
  | { readonly sub: 'policySet'; readonly network: NetworkId; readonly policy: string }
  | { readonly sub: 'memberTagsGet'; readonly network: NetworkId; readonly node: NodeId }
  | {
      readonly sub: 'memberTagsSet';
      readonly network: NetworkId;
      readonly node: NodeId;
      readonly tags: string;
    };

/** Payload of command 0x23. */
export function encodeManagedCommand(command: ManagedCommand): Uint8Array {
  switch (command.sub) {
    case 'score':
      return concat(
        u8(0x01),
        u16(command.network),
        u32(command.node),
        u32(command.delta >>> 0),
        utf8(command.topic),
      );
    case 'status':
      return concat(u8(0x02), u16(command.network));
    case 'rankings':
      return concat(u8(0x03), u16(command.network));
    case 'cycle':
      return concat(u8(0x04), u16(command.network));
    case 'policyGet':
      return concat(u8(0x05), u8(0), u16(command.network));
    case 'policySet':
      return concat(u8(0x05), u8(1), u16(command.network), utf8(command.policy));
    case 'memberTagsGet':
      return concat(u8(0x06), u8(0), u16(command.network), u32(command.node));
    case 'memberTagsSet':
      return concat(u8(0x06), u8(1), u16(command.network), u32(command.node), utf8(command.tags));
  }
}

/** The command, or the text of the Error reply. */
export function decodeManagedCommand(payload: Uint8Array): ManagedCommand | string {
  if (payload.length === 0) return 'managed: missing sub-command';
  const network = payload.length >= 3 ? readU16(payload, 1) : 0;
  switch (payload[0]) {
    case 0x01:
      if (payload.length < 11) return 'managed score: missing fields (need netID + nodeID + delta)';
      return {
        sub: 'score',
        network,
        node: readU32(payload, 3),
        delta: readU32(payload, 7) | 0,
        topic: fromUtf8(payload.subarray(11)),
      };
    case 0x02:
      return { sub: 'status', network };
    case 0x03:
      return { sub: 'rankings', network };
    case 0x04:
      return { sub: 'cycle', network };
    case 0x05:
      return decodePolicy(payload);
    case 0x06:
      return decodeMemberTags(payload);
    default:
      return `managed: unknown sub-command 0x${hex2(payload[0]!)}`;
  }
}

function decodePolicy(payload: Uint8Array): ManagedCommand | string {
  if (payload.length < 4) return 'managed policy: missing sub-sub-command and network_id';
  const network = readU16(payload, 2);
  const action = payload[1]!;
  if (action === 0) return { sub: 'policyGet', network };
  if (action !== 1) return `managed policy: unknown action 0x${hex2(action)}`;
  if (payload.length === 4) return 'managed policy set: missing policy JSON';
  return { sub: 'policySet', network, policy: fromUtf8(payload.subarray(4)) };
}

function decodeMemberTags(payload: Uint8Array): ManagedCommand | string {
  if (payload.length < 8) return 'managed member-tags: missing action, network_id, or node_id';
  const network = readU16(payload, 2);
  const node = readU32(payload, 4);
  const action = payload[1]!;
  if (action === 0) return { sub: 'memberTagsGet', network, node };
  if (action !== 1) return `managed member-tags: unknown action 0x${hex2(action)}`;
  if (payload.length === 8) return 'managed member-tags set: missing tags JSON';
  return { sub: 'memberTagsSet', network, node, tags: fromUtf8(payload.subarray(8)) };
}

function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

function u16(value: number): Uint8Array {
  const out = new Uint8Array(2);
  writeU16(out, 0, value);
  return out;
}

function u32(value: number): Uint8Array {
  const out = new Uint8Array(4);
  writeU32(out, 0, value);
  return out;
}
