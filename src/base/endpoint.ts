import type { Endpoint } from './units.ts';

/** Prints an endpoint as `host:port`, with brackets around IPv6 hosts; a carrier as its URL. */
export function formatEndpoint(endpoint: Endpoint): string {
  if (isCarrier(endpoint)) return endpoint.host;
  return endpoint.host.includes(':')
    ? `[${endpoint.host}]:${endpoint.port}`
    : `${endpoint.host}:${endpoint.port}`;
}

/** Map key of an endpoint; equal endpoints have equal keys. */
export function endpointKey(endpoint: Endpoint): string {
  return `${endpoint.host}|${endpoint.port}`;
}

/** True when both name the same host and port. */
export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.port === b.port && a.host === b.host;
}

/**
 * Splits `host:port` or `[v6]:port` at the last colon.
 * Returns undefined when there is no port, the port is not 0 to 65535, or the host is empty.
 * The host may be a name: resolving it is the caller's business.
 */
export function parseHostPort(text: string): Endpoint | undefined {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) return undefined;
  const portText = text.slice(colon + 1);
  if (!/^\d{1,5}$/.test(portText)) return undefined;
  const port = Number(portText);
  if (port > 65535) return undefined;
  let host = text.slice(0, colon);
  if (host.startsWith('[') && host.endsWith(']')) host = host.slice(1, -1);
  else if (host.includes(':')) return undefined;
  if (host === '') return undefined;
  return { host, port };
}

/** True for the endpoint of a byte stream that carries datagrams: its host is a `wss://` or `ws://` URL. */
export function isCarrier(endpoint: Endpoint): boolean {
  return endpoint.host.startsWith('wss://') || endpoint.host.startsWith('ws://');
}
