/**
 * Pilot datagrams in a WebSocket, for networks that let nothing out but TCP 443. After the opening, three text
 * messages authenticate the node:
 *
 * - beacon: `{"type":"auth_challenge","nonce":"<64 hex>"}`
 * - node: `{"type":"auth_reply","node_id":N,"public_key":"<base64>","sig":"<base64>"}`
 * - beacon: `{"type":"auth_ok"}`, or it closes
 *
 * Then each binary message is one datagram. spec/23 §1.2
 */
import { utf8 } from '../base/bytes.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint, NodeId } from '../base/units.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { isJsonObject, parseJson } from './json.ts';

/** Where a beacon waits for WebSockets. A plain GET there is answered 426. */
export const COMPAT_PATH = '/v1/compat';
/** Longest binary message, bytes. */
export const COMPAT_MAX_MESSAGE = 65_536;
/** Bytes of the nonce before it is written in hex. */
export const COMPAT_NONCE_LENGTH = 32;
/** Longest text message that is read at all. Chosen: the longest known one has some 220 bytes. */
const MAX_TEXT = 2_048;

/** The URL of a beacon's WebSocket. */
export function carrierUrl(secure: boolean, at: Endpoint): string {
  return `${secure ? 'wss' : 'ws'}://${formatEndpoint(at)}${COMPAT_PATH}`;
}

export interface CarrierUrl {
  /** In full, as the carrier's endpoint has it: the same URL in another spelling gives the same text. */
  readonly text: string;
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
}

/** Reads `wss://host[:port][/path]`, or `ws://…`; the path defaults to `/v1/compat`. Undefined for anything else. */
export function parseCarrierUrl(text: string): CarrierUrl | undefined {
  const parts = /^(wss?):\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?(\/[\x21-\x7e]*)?$/i.exec(text);
  if (parts === null) return undefined;
  const secure = parts[1]!.toLowerCase() === 'wss';
  const host = parts[2]!.toLowerCase().replace(/^\[|\]$/g, '');
  const port = parts[3] === undefined ? (secure ? 443 : 80) : Number(parts[3]);
  if (port < 1 || port > 65_535) return undefined;
  const path = parts[4] === undefined || parts[4] === '/' ? COMPAT_PATH : parts[4];
  const origin = `${secure ? 'wss' : 'ws'}://${formatEndpoint({ host, port })}`;
  return { text: `${origin}${path}`, secure, host, port };
}

export type CompatMessage =
  | { readonly type: 'auth_challenge'; readonly nonce: string }
  | {
      readonly type: 'auth_reply';
      readonly node: NodeId;
      /** 32 bytes. */
      readonly publicKey: Uint8Array;
      /** 64 bytes, Ed25519 over `compatSignedBytes`. */
      readonly signature: Uint8Array;
    }
  | { readonly type: 'auth_ok' };

export type CompatMessageError = 'too_long' | 'not_json' | 'unknown_type' | 'bad_field';

/** `nonce`: hex of `COMPAT_NONCE_LENGTH` bytes. */
export function encodeChallenge(nonce: string): string {
  return JSON.stringify({ type: 'auth_challenge', nonce });
}

export function encodeAuthReply(node: NodeId, publicKey: Uint8Array, signature: Uint8Array): string {
  return JSON.stringify({
    type: 'auth_reply',
    node_id: node,
    public_key: encodeBase64(publicKey),
    sig: encodeBase64(signature),
  });
}

export const AUTH_OK = JSON.stringify({ type: 'auth_ok' });

/** ASCII `compat_auth:<node_id>:<nonce>`; the nonce as it was sent. */
export function compatSignedBytes(node: NodeId, nonce: string): Uint8Array {
  return utf8(`compat_auth:${node}:${nonce}`);
}

/** Reads a text message of either side. */
export function decodeCompatMessage(text: string): CompatMessage | CompatMessageError {
  if (text.length > MAX_TEXT) return 'too_long';
  const parsed = parseJson(utf8(text));
  if (typeof parsed === 'string' || !isJsonObject(parsed.value)) return 'not_json';
  const { value } = parsed;
  switch (value.type) {
    case 'auth_challenge': {
      const { nonce } = value;
      if (typeof nonce !== 'string' || !/^[0-9a-f]{64}$/i.test(nonce)) return 'bad_field';
      return { type: 'auth_challenge', nonce };
    }
    case 'auth_reply': {
      const { node_id: node } = value;
      const publicKey = bytesOf(value.public_key, 32);
      const signature = bytesOf(value.sig, 64);
      if (!Number.isInteger(node) || (node as number) < 1 || (node as number) > 0xffff_ffff)
        return 'bad_field';
      if (publicKey === undefined || signature === undefined) return 'bad_field';
      return { type: 'auth_reply', node: node as NodeId, publicKey, signature };
    }
    case 'auth_ok':
      return { type: 'auth_ok' };
    default:
      return 'unknown_type';
  }
}

function bytesOf(value: unknown, length: number): Uint8Array | undefined {
  if (typeof value !== 'string') return undefined;
  const bytes = decodeBase64(value);
  return bytes?.length === length ? bytes : undefined;
}
