/** A small HTTP/1.1 client's messages: one request per connection, a whole response in memory. RFC 9112 */
import { concat, fromUtf8, utf8 } from '../base/bytes.ts';

export interface HttpResponse {
  readonly status: number;
  /** Names in lower case; the last of several counts. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: Uint8Array;
}

/** Longest status line and headers. */
const MAX_HEAD = 16_384;

/** `target` and header values must not contain line breaks. */
export function encodeHttpRequest(request: {
  readonly method: 'GET' | 'POST';
  readonly host: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}): Uint8Array {
  const body = utf8(request.body ?? '');
  const headers = {
    host: request.host,
    connection: 'close',
    ...request.headers,
    ...(request.body !== undefined && { 'content-length': `${body.length}` }),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  const head = [`${request.method} ${request.target} HTTP/1.1`, ...lines, '', ''].join('\r\n');
  if (/[\r\n]/.test(request.target) || lines.some((line) => /[\r\n]/.test(line)))
    throw new RangeError('Cannot send an HTTP request with a line break in its head');
  return concat(utf8(head), body);
}

/** The response in what has arrived so far; `ended`: nothing more will. Content beyond `limit` bytes is refused. */
export function readHttpResponse(
  bytes: Uint8Array,
  ended: boolean,
  limit: number,
): HttpResponse | 'incomplete' | 'malformed' | 'too_large' {
  const headEnd = endOfHead(bytes);
  if (headEnd === undefined) {
    if (bytes.length > MAX_HEAD) return 'too_large';
    return ended ? 'malformed' : 'incomplete';
  }
  const head = readHead(fromUtf8(bytes.subarray(0, headEnd)));
  if (head === undefined) return 'malformed';
  const rest = bytes.subarray(headEnd + 4);
  const body = readBody(head.headers, rest, ended, limit);
  return typeof body === 'string' ? body : { ...head, body };
}

/** Status line and headers, as in a response by HTTP or, over UDP, by SSDP. */
export function readHead(
  text: string,
): { readonly status: number; readonly headers: ReadonlyMap<string, string> } | undefined {
  const [statusLine, ...lines] = text.split('\r\n');
  const status = /^HTTP\/1\.[01] (\d{3})(?: |$)/.exec(statusLine!)?.[1];
  if (status === undefined) return undefined;
  const headers = new Map<string, string>();
  for (const line of lines) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  return { status: Number(status), headers };
}

function readBody(
  headers: ReadonlyMap<string, string>,
  rest: Uint8Array,
  ended: boolean,
  limit: number,
): Uint8Array | 'incomplete' | 'malformed' | 'too_large' {
  if (/\bchunked\b/i.test(headers.get('transfer-encoding') ?? '')) return readChunks(rest, ended, limit);
  const length = headers.get('content-length');
  if (length === undefined) {
    if (rest.length > limit) return 'too_large';
    return ended ? rest : 'incomplete';
  }
  if (!/^\d{1,15}$/.test(length)) return 'malformed';
  const wanted = Number(length);
  if (wanted > limit) return 'too_large';
  if (rest.length >= wanted) return rest.subarray(0, wanted);
  return ended ? 'malformed' : 'incomplete';
}

function readChunks(
  bytes: Uint8Array,
  ended: boolean,
  limit: number,
): Uint8Array | 'incomplete' | 'malformed' | 'too_large' {
  const missing = ended ? 'malformed' : 'incomplete';
  const chunks: Uint8Array[] = [];
  let total = 0;
  for (let at = 0; ; ) {
    const line = fromUtf8(bytes.subarray(at, at + 64));
    const lineEnd = line.indexOf('\r\n');
    if (lineEnd < 0) return line.length >= 64 ? 'malformed' : missing;
    const size = /^([0-9a-f]{1,6})(?:;.*)?$/i.exec(line.slice(0, lineEnd))?.[1];
    if (size === undefined) return 'malformed';
    const length = Number.parseInt(size, 16);
    at += lineEnd + 2;
    if (length === 0) return concat(...chunks);
    total += length;
    if (total > limit) return 'too_large';
    if (bytes.length < at + length + 2) return missing;
    chunks.push(bytes.subarray(at, at + length));
    at += length + 2;
  }
}

function endOfHead(bytes: Uint8Array): number | undefined {
  const last = Math.min(bytes.length - 4, MAX_HEAD);
  for (let at = 0; at <= last; at++) {
    if (bytes[at] === 13 && bytes[at + 1] === 10 && bytes[at + 2] === 13 && bytes[at + 3] === 10) return at;
  }
  return undefined;
}
