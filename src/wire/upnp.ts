/**
 * What is needed of UPnP to map a port: SSDP search (UPnP Device Architecture 1.1 §1.3), the device description, and
 * SOAP calls of the services WANIPConnection and WANPPPConnection.
 */
import { XMLParser, XMLValidator } from 'fast-xml-parser';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import type { Endpoint } from '../base/units.ts';
import { readHead } from './http-response.ts';
import { parseIp } from './ip.ts';

export const SSDP: Endpoint = { host: '239.255.255.250', port: 1900 };

const GATEWAY_DEVICE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1';
/** Later versions have what we use of the first. */
const CONNECTION_SERVICE = /^urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:[1-9]$/;
const MAX_TEXT = 256;
const MAX_DEPTH = 16;

/** Where to call a service of a router. */
export interface UpnpService {
  readonly type: string;
  readonly endpoint: Endpoint;
  /** Path and query. */
  readonly target: string;
}

/** Asks every router on the network, or the one it is sent to. */
export function encodeSsdpSearch(): Uint8Array {
  return utf8(
    [
      'M-SEARCH * HTTP/1.1',
      `HOST: ${SSDP.host}:${SSDP.port}`,
      'MAN: "ssdp:discover"',
      'MX: 1',
      `ST: ${GATEWAY_DEVICE}`,
      '',
      '',
    ].join('\r\n'),
  );
}

/** The address of the device's description in an answer; undefined when it is none, or not plain HTTP to a literal. */
export function readSsdpAnswer(bytes: Uint8Array): HttpAddress | undefined {
  if (bytes.length > 4096) return undefined;
  const head = readHead(fromUtf8(bytes));
  if (head?.status !== 200) return undefined;
  const location = head.headers.get('location');
  return location === undefined ? undefined : parseHttpAddress(location);
}

export interface HttpAddress {
  readonly endpoint: Endpoint;
  readonly target: string;
}

/** `http://literal:port/path`; names are refused, so nobody makes us look one up. */
export function parseHttpAddress(text: string): HttpAddress | undefined {
  const [, host, port, target] = /^http:\/\/([\d.]+)(?::(\d{1,5}))?(\/[^\s#]*)?$/i.exec(text) ?? [];
  if (host === undefined || text.length > MAX_TEXT || parseIp(host) === undefined) return undefined;
  const endpoint = { host, port: Number(port ?? 80) };
  if (endpoint.port < 1 || endpoint.port > 65535) return undefined;
  return { endpoint, target: target ?? '/' };
}

/** The connection services of a device and those inside it, in the order of the description. */
export function readDescription(text: string, at: HttpAddress): UpnpService[] {
  const root = record(parse(text)?.root);
  const base = typeof root?.URLBase === 'string' ? parseHttpAddress(root.URLBase) : undefined;
  const found: UpnpService[] = [];
  collect(root?.device, 0, (type, controlUrl) => {
    const control = relativeTo(base?.endpoint.host === at.endpoint.host ? base : at, controlUrl);
    if (CONNECTION_SERVICE.test(type) && control !== undefined && found.length < 8)
      found.push({ type, ...control });
  });
  return found;
}

/** One SOAP call: the body and the header that names the action. `values` in the order of the service's definition. */
export function encodeSoapCall(
  service: string,
  action: string,
  values: Readonly<Record<string, string | number>> = {},
): { readonly header: string; readonly body: string } {
  const fields = Object.entries(values).map(([name, value]) => `<${name}>${escaped(`${value}`)}</${name}>`);
  const body =
    '<?xml version="1.0"?>' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${service}">${fields.join('')}</u:${action}></s:Body></s:Envelope>`;
  return { header: `"${service}#${action}"`, body };
}

export type SoapAnswer =
  | { readonly values: Readonly<Record<string, string>> }
  /** The UPnP error code, 0 when none was given. */
  | { readonly fault: number }
  | 'malformed';

export function readSoapAnswer(text: string, action: string): SoapAnswer {
  const body = record(record(parse(text)?.Envelope)?.Body);
  if (body === undefined) return 'malformed';
  if (body.Fault !== undefined) {
    const code = record(record(record(body.Fault)?.detail)?.UPnPError)?.errorCode;
    return { fault: typeof code === 'string' && /^\d{1,5}$/.test(code) ? Number(code) : 0 };
  }
  // An answer without values is an empty element.
  if (!Object.hasOwn(body, `${action}Response`)) return 'malformed';
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(record(body[`${action}Response`]) ?? {})) {
    if (typeof value === 'string') values[name] = value;
  }
  return { values };
}

function parse(text: string): Record<string, unknown> | undefined {
  try {
    if (text.includes('<!') || XMLValidator.validate(text) !== true) return undefined;
    const parser = new XMLParser({
      ignoreAttributes: true,
      removeNSPrefix: true,
      parseTagValue: false,
      processEntities: false,
    });
    return record(parser.parse(text));
  } catch {
    return undefined;
  }
}

function collect(device: unknown, depth: number, found: (type: string, controlUrl: string) => void): void {
  if (depth > MAX_DEPTH) return;
  for (const one of list(device)) {
    for (const service of list(record(one.serviceList)?.service)) {
      const { serviceType, controlURL } = service;
      if (typeof serviceType === 'string' && typeof controlURL === 'string') found(serviceType, controlURL);
    }
    collect(record(one.deviceList)?.device, depth + 1, found);
  }
}

/** Only what stays on the router that was asked. */
function relativeTo(base: HttpAddress, url: string): HttpAddress | undefined {
  if (url.length > MAX_TEXT || /[\s#]/.test(url)) return undefined;
  if (/^[a-z]+:/i.test(url)) {
    const absolute = parseHttpAddress(url);
    return absolute?.endpoint.host === base.endpoint.host ? absolute : undefined;
  }
  if (url.startsWith('/')) return { ...base, target: url };
  return { ...base, target: `${base.target.slice(0, base.target.lastIndexOf('/') + 1)}${url}` };
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function list(value: unknown): Record<string, unknown>[] {
  return (Array.isArray(value) ? value : [value]).map(record).filter((item) => item !== undefined);
}

function escaped(text: string): string {
  return text.replace(/[<>&'"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
