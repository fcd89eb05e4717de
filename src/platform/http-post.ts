import { lookup as systemLookup } from 'node:dns';
import { request as httpRequest, type RequestOptions } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { LookupFunction } from 'node:net';
import { PilotError } from '../api/errors.ts';
import type { HttpPost } from '../runtime/ports.ts';
import { parseIp } from '../wire/ip.ts';
import { isGloballyReachable } from '../wire/ip-reach.ts';

type Reach = Parameters<HttpPost>[1]['reach'];

/** `resolve` is the system's look-up; `trust` adds an authority, PEM, to those of the system. */
export function httpPost(
  options: { readonly resolve?: typeof systemLookup; readonly trust?: string } = {},
): HttpPost {
  const { resolve = systemLookup, trust } = options;
  return (text, { headers, body, timeout, reach }) =>
    new Promise((done, fail) => {
      const url = new URL(text);
      const tls = url.protocol === 'https:';
      if (!tls && reach === 'public') return fail(refused(url.host, 'it has no TLS'));
      const literal = url.hostname.replace(/^\[|\]$/g, '');
      if (parseIp(literal) !== undefined && !allowed(literal, tls, reach))
        return fail(refused(url.host, 'its address is not allowed'));
      const settings: RequestOptions & { ca?: string } = {
        method: 'POST',
        // A connection of its own: one that is kept could have been opened under other rules.
        agent: false,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
        lookup: guarded(resolve, tls, reach),
        ...(tls && trust !== undefined && { ca: trust }),
      };
      const send = tls ? httpsRequest : httpRequest;
      const sent = send(url, settings, (response) => {
        clearTimeout(timer);
        const { statusCode = 0, headers: answered } = response;
        done({ status: statusCode, retryAfter: answered['retry-after'] ?? '' });
        // What else it says is of no interest, and may be endless.
        response.destroy();
      });
      const timer = setTimeout(() => {
        sent.destroy(new PilotError('timeout', `No answer from ${url.host} within ${timeout / 1000} s`));
      }, timeout);
      sent.on('error', (error: Error) => {
        clearTimeout(timer);
        const message = `Cannot reach ${url.host}: ${error.message}`;
        fail(
          error instanceof PilotError
            ? error
            : new PilotError('connection_failed', message, { cause: error }),
        );
      });
      sent.end(body);
    });
}

/** Looks a name up and hands on what may be connected to: the address checked is the one that is used. */
function guarded(resolve: typeof systemLookup, tls: boolean, reach: Reach): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, addresses) => {
      if (error !== null) return callback(error, '', 0);
      const usable = addresses.filter(({ address }) => allowed(address, tls, reach));
      const [first] = usable;
      if (first === undefined)
        return callback(refused(hostname, 'it leads to an address that is not allowed'), '', 0);
      if (options.all === true) callback(null, usable);
      else callback(null, first.address, first.family);
    });
  };
}

/** Without TLS only inside, where it was allowed: what is sent names nodes and their addresses. */
function allowed(address: string, tls: boolean, reach: Reach): boolean {
  const global = isGloballyReachable(address);
  return tls ? global || reach === 'anywhere' : !global && reach === 'anywhere';
}

function refused(host: string, why: string): PilotError {
  return new PilotError('permission_denied', `Nothing is sent to ${host}: ${why}`, {
    hint: 'to allow hosts inside: pilotctl rendezvous start --webhooks anywhere',
  });
}
