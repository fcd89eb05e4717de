/** Proxies as users name them, and which servers are reached without one. Conventions of curl and of Go. */
import { utf8 } from '../base/bytes.ts';
import type { Endpoint } from '../base/units.ts';
import { encodeBase64 } from './base64.ts';
import { parseIp } from './ip.ts';

/** What `http://user:password@host:port` says. */
export interface ProxyAddress extends Endpoint {
  /** `https://`: the proxy itself is spoken to with TLS. */
  readonly tls: boolean;
  /** Value of Proxy-Authorization: Basic, RFC 7617. */
  readonly authorization?: string;
}

const URL_PARTS = /^(?:(https?):\/\/)?(?:([^@/\s]*)@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d{1,5}))?\/?$/i;

/** Undefined when it is not the URL of a proxy. Without a scheme it is `http`; ports default to 80 and 443. */
export function parseProxyUrl(text: string): ProxyAddress | undefined {
  const parts = URL_PARTS.exec(text.trim());
  if (parts === null) return undefined;
  const [, scheme = 'http', credentials, name] = parts;
  const tls = scheme.toLowerCase() === 'https';
  const port = parts[4] === undefined ? (tls ? 443 : 80) : Number(parts[4]);
  if (port < 1 || port > 65_535) return undefined;
  const decoded = credentials === undefined ? undefined : decodeCredentials(credentials);
  if (credentials !== undefined && decoded === undefined) return undefined;
  return {
    host: name!.replace(/^\[|\]$/g, ''),
    port,
    tls,
    ...(decoded !== undefined && { authorization: `Basic ${encodeBase64(utf8(decoded))}` }),
  };
}

/** As it may be shown: credentials as `***`. Text that is no proxy's URL is shown as `***` altogether. */
export function maskedProxyUrl(text: string): string {
  const parts = URL_PARTS.exec(text.trim());
  if (parts === null) return '***';
  const [, scheme = 'http', credentials, name, port] = parts;
  const who = credentials === undefined ? '' : '***@';
  return `${scheme.toLowerCase()}://${who}${name}${port === undefined ? '' : `:${port}`}`;
}

/** True for names and addresses of this machine. */
export function isLoopback(host: string): boolean {
  const bytes = parseIp(host);
  if (bytes === undefined) return /^(.*\.)?localhost\.?$/i.test(host);
  return bytes.length === 4 ? bytes[0] === 127 : bytes.every((byte, i) => byte === (i === 15 ? 1 : 0));
}

/**
 * True when `noProxy` (the value of NO_PROXY) names the server: `*`; a host name, which stands for those below it too;
 * `.name` or `*.name`, for those below it; an address; a network as `address/bits`. Any but `*` may end in `:port`.
 */
export function isExempt(noProxy: string, { host, port }: Endpoint): boolean {
  const name = host.toLowerCase().replace(/\.$/, '');
  const bytes = parseIp(name);
  return noProxy
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && names(entry, name, bytes, port));
}

function names(entry: string, name: string, bytes: Uint8Array | undefined, port: number): boolean {
  if (entry === '*') return true;
  const ported = /^(\[[^\]]+\]|[^:]+):(\d+)$/.exec(entry);
  if (ported !== null && Number(ported[2]) !== port) return false;
  const wanted = (ported?.[1] ?? entry).replace(/^\[|\]$/g, '').replace(/\.$/, '');
  if (bytes !== undefined) return containsAddress(wanted, bytes);
  const below = wanted.replace(/^\*?\./, '');
  if (name.endsWith(`.${below}`)) return true;
  return below === wanted && name === wanted;
}

function containsAddress(network: string, bytes: Uint8Array): boolean {
  const [address = '', bits] = network.split('/');
  const base = parseIp(address);
  if (base === undefined || base.length !== bytes.length) return false;
  const length = bits === undefined ? 8 * base.length : Number(bits);
  if (!Number.isInteger(length) || length < 0 || length > 8 * base.length) return false;
  return base.every((byte, i) => {
    const kept = Math.min(8, Math.max(0, length - 8 * i));
    return (byte ^ bytes[i]!) >> (8 - kept) === 0;
  });
}

function decodeCredentials(text: string): string | undefined {
  try {
    const colon = text.indexOf(':');
    if (colon < 0) return `${decodeURIComponent(text)}:`;
    return `${decodeURIComponent(text.slice(0, colon))}:${decodeURIComponent(text.slice(colon + 1))}`;
  } catch {
    return undefined;
  }
}
