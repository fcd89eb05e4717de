import { PilotError } from '../api/errors.ts';
import { concat, fromUtf8 } from '../base/bytes.ts';
import type { Millis } from '../base/units.ts';
import type { Mapping } from '../core/port-mapping/types.ts';
import type { Clock, Net } from '../runtime/ports.ts';
import { encodeHttpRequest, type HttpResponse, readHttpResponse } from '../wire/http-response.ts';
import { parseIp } from '../wire/ip.ts';
import {
  encodeSoapCall,
  encodeSsdpSearch,
  type HttpAddress,
  readDescription,
  readSoapAnswer,
  readSsdpAnswer,
  SSDP,
  type UpnpService,
} from '../wire/upnp.ts';

/** Searches are repeated, as datagrams get lost; devices answer within a second (MX). Chosen. */
const SEARCH_AGAIN: Millis = 700;
const SEARCHES = 3;
const HTTP_LIMIT: Millis = 4_000;
const MAX_BODY = 131_072;
/** Seconds. */
const LEASE = 7_200;
/** Other external ports tried when somebody has ours. */
const OTHER_PORTS = 4;
const PROTOCOL = { NewProtocol: 'UDP' } as const;

/** UPnP error codes, IGD WANIPConnection §2.4.16. */
const CONFLICT = 718;
const ONLY_PERMANENT = 725;

/** A UPnP router: finds it, and maps ports on it. Only the router itself is ever asked, by its address. */
export class UpnpGateway {
  readonly #net: Net;
  readonly #clock: Clock;
  readonly #gateway: string;
  readonly #local: string;
  #service: UpnpService | undefined;

  /** `local`: our own address on the router's network. */
  constructor(options: { net: Net; clock: Clock; gateway: string; local: string }) {
    this.#net = options.net;
    this.#clock = options.clock;
    this.#gateway = options.gateway;
    this.#local = options.local;
  }

  /** Errors: PilotError whose message is a code: `no_answer`, `no_service`, `upnp_refused_…`. */
  async map(internal: number, wanted: number, otherPort: () => number): Promise<Mapping> {
    this.#service ??= await this.#find();
    const host = (await this.#call('GetExternalIPAddress')).NewExternalIPAddress ?? '';
    if (parseIp(host) === undefined || host === '0.0.0.0') throw failure('no_external_address');
    let external = wanted;
    for (let attempt = 0; ; attempt++) {
      try {
        const lifetime = await this.#add(internal, external);
        return { external: { host, port: external }, lifetime };
      } catch (thrown) {
        if (!(thrown instanceof Refused) || thrown.fault !== CONFLICT || attempt >= OTHER_PORTS) throw thrown;
        external = otherPort();
      }
    }
  }

  async unmap(external: number): Promise<void> {
    this.#service ??= await this.#find();
    await this.#call('DeletePortMapping', { NewRemoteHost: '', NewExternalPort: external, ...PROTOCOL });
  }

  /** How long the mapping is kept. */
  async #add(internal: number, external: number): Promise<Millis | undefined> {
    const add = (lease: number): Promise<unknown> =>
      this.#call('AddPortMapping', {
        NewRemoteHost: '',
        NewExternalPort: external,
        ...PROTOCOL,
        NewInternalPort: internal,
        NewInternalClient: this.#local,
        NewEnabled: 1,
        NewPortMappingDescription: 'Pilot',
        NewLeaseDuration: lease,
      });
    try {
      await add(LEASE);
      return LEASE * 1000;
    } catch (thrown) {
      if (!(thrown instanceof Refused) || thrown.fault !== ONLY_PERMANENT) throw thrown;
      await add(0);
      return undefined;
    }
  }

  async #find(): Promise<UpnpService> {
    const address = await this.#search();
    const response = await this.#http({ method: 'GET', address });
    const services = response.status === 200 ? readDescription(fromUtf8(response.body), address) : [];
    const [service] = services;
    if (service === undefined) throw failure('no_service');
    return service;
  }

  /** Multicast reaches whom unicast may not, and the other way round. */
  async #search(): Promise<HttpAddress> {
    const socket = await this.#net.udp({ host: this.#local, port: 0 });
    try {
      const answered = new Promise<HttpAddress>((resolve) => {
        socket.onDatagram((data, from) => {
          const address = from.host === this.#gateway ? readSsdpAnswer(data) : undefined;
          // Nobody sends us to another machine.
          if (address?.endpoint.host === this.#gateway) resolve(address);
        });
      });
      for (let i = 0; i < SEARCHES; i++) {
        for (const host of [SSDP.host, this.#gateway])
          socket.send(encodeSsdpSearch(), { host, port: SSDP.port });
        const found = await Promise.race([answered, this.#clock.sleep(SEARCH_AGAIN)]);
        if (found !== undefined) return found;
      }
      throw failure('no_answer');
    } finally {
      await socket.close();
    }
  }

  async #call(
    action: string,
    values: Readonly<Record<string, string | number>> = {},
  ): Promise<Readonly<Record<string, string>>> {
    const service = this.#service!;
    const { header, body } = encodeSoapCall(service.type, action, values);
    let answer: ReturnType<typeof readSoapAnswer>;
    try {
      const headers = { 'content-type': 'text/xml; charset="utf-8"', soapaction: header };
      const response = await this.#http({ method: 'POST', address: service, headers, body });
      answer = readSoapAnswer(fromUtf8(response.body), action);
    } catch (thrown) {
      // A restarted router may describe itself anew.
      this.#service = undefined;
      throw thrown;
    }
    if (answer === 'malformed') throw failure('malformed_answer');
    if ('fault' in answer) throw new Refused(answer.fault);
    return answer.values;
  }

  async #http(request: {
    readonly method: 'GET' | 'POST';
    readonly address: HttpAddress;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  }): Promise<HttpResponse> {
    const { endpoint, target } = request.address;
    const pipe = await this.#net.connect(endpoint, { timeout: HTTP_LIMIT });
    const deadline = this.#clock.at(this.#clock.now() + HTTP_LIMIT, () => pipe.destroy());
    try {
      return await new Promise<HttpResponse>((resolve, reject) => {
        let received: Uint8Array = new Uint8Array(0);
        const look = (ended: boolean): void => {
          const response = readHttpResponse(received, ended, MAX_BODY);
          if (response === 'incomplete') return;
          if (typeof response === 'string') reject(failure(`http_${response}`));
          else resolve(response);
        };
        pipe.onData((data) => {
          received = concat(received, data);
          look(false);
        });
        pipe.onClose(() => look(true));
        const { method, headers, body } = request;
        const host = `${endpoint.host}:${endpoint.port}`;
        pipe.write(
          encodeHttpRequest({
            method,
            host,
            target,
            ...(headers !== undefined && { headers }),
            ...(body !== undefined && { body }),
          }),
        );
      });
    } finally {
      deadline.cancel();
      pipe.destroy();
    }
  }
}

class Refused extends PilotError {
  readonly fault: number;

  constructor(fault: number) {
    super('connection_failed', `upnp_refused_${fault}`);
    this.fault = fault;
  }
}

function failure(code: string): PilotError {
  return new PilotError('connection_failed', code);
}
