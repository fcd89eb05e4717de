import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PilotError } from '../api/errors.ts';
import { fromUtf8, utf8 } from '../base/bytes.ts';
import { formatEndpoint } from '../base/endpoint.ts';
import type { Endpoint } from '../base/units.ts';
import type { Net, Pipe, UdpSocket } from '../runtime/ports.ts';
import { singly } from '../runtime/trains.ts';
import { ManualClock } from '../services/data-exchange/exchange.testkit.ts';
import { UpnpGateway } from './upnp-gateway.ts';

const ROUTER = '192.168.1.1';
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1';

/** A router as a program sees it: answers searches, serves its description, and maps ports. */
class Router {
  readonly clock = new ManualClock();
  readonly mapped = new Map<number, { readonly client: string; readonly lease: number }>();
  readonly asked: string[] = [];
  readonly connected: string[] = [];
  location: string | undefined = `http://${ROUTER}:5000/desc.xml`;
  answersFrom = ROUTER;
  external = '203.0.113.9';
  permanentOnly = false;
  /** Accepts connections and then says nothing. */
  hangs = false;
  open = 0;

  gateway(): UpnpGateway {
    const net = {
      udp: (bind: Endpoint) => Promise.resolve(this.#socket(bind)),
      connect: (to: Endpoint) => {
        this.connected.push(formatEndpoint(to));
        return Promise.resolve(this.#pipe());
      },
    } as unknown as Net;
    return new UpnpGateway({ net, clock: this.clock, gateway: ROUTER, local: '192.168.1.7' });
  }

  #socket(local: Endpoint): UdpSocket {
    let receiver: (data: Uint8Array, from: Endpoint) => void = () => {};
    this.open++;
    return singly({
      local,
      send: (_data, to) => {
        this.asked.push(formatEndpoint(to));
        if (this.location === undefined) return;
        receiver(utf8(`HTTP/1.1 200 OK\r\nLOCATION: ${this.location}\r\n\r\n`), {
          host: this.answersFrom,
          port: 1900,
        });
      },
      onDatagram: (next) => {
        receiver = next;
      },
      onUnreachable() {},
      close: async () => {
        this.open--;
      },
    });
  }

  #pipe(): Pipe {
    let onData: (data: Uint8Array) => void = () => {};
    let onClose: () => void = () => {};
    let closed = false;
    this.open++;
    const close = (): void => {
      if (closed) return;
      closed = true;
      this.open--;
      onClose();
    };
    return {
      onData: (receiver: typeof onData) => {
        onData = receiver;
      },
      onClose: (receiver: typeof onClose) => {
        onClose = receiver;
      },
      write: (data: Uint8Array) => {
        if (this.hangs) return true;
        const body = this.#serve(fromUtf8(data));
        const response = `HTTP/1.1 200 OK\r\nContent-Length: ${utf8(body).length}\r\n\r\n${body}`;
        queueMicrotask(() => {
          // In two pieces, as networks do.
          onData(utf8(response.slice(0, 30)));
          onData(utf8(response.slice(30)));
        });
        return true;
      },
      destroy: close,
    } as unknown as Pipe;
  }

  #serve(request: string): string {
    if (request.startsWith('GET /desc.xml'))
      return `<root><device><serviceList><service><serviceType>${SERVICE}</serviceType><controlURL>/ctl</controlURL></service></serviceList></device></root>`;
    const action = /soapaction: "[^#]*#(\w+)"/.exec(request)?.[1] ?? '';
    const value = (name: string): string => new RegExp(`<${name}>([^<]*)<`).exec(request)?.[1] ?? '';
    const port = Number(value('NewExternalPort'));
    const envelope = (inner: string): string =>
      `<s:Envelope xmlns:s="x"><s:Body>${inner}</s:Body></s:Envelope>`;
    const fault = (code: number): string =>
      envelope(`<s:Fault><detail><UPnPError><errorCode>${code}</errorCode></UPnPError></detail></s:Fault>`);
    switch (action) {
      case 'GetExternalIPAddress':
        return envelope(
          `<u:${action}Response xmlns:u="y"><NewExternalIPAddress>${this.external}</NewExternalIPAddress></u:${action}Response>`,
        );
      case 'AddPortMapping': {
        const client = value('NewInternalClient');
        const lease = Number(value('NewLeaseDuration'));
        const holder = this.mapped.get(port);
        if (holder !== undefined && holder.client !== client) return fault(718);
        if (this.permanentOnly && lease !== 0) return fault(725);
        this.mapped.set(port, { client, lease });
        break;
      }
      case 'DeletePortMapping':
        if (!this.mapped.delete(port)) return fault(714);
        break;
      default:
        return fault(401);
    }
    return envelope(`<u:${action}Response xmlns:u="y"/>`);
  }
}

/** The code a failed call ends with, passing time as it needs. */
async function failureOf(router: Router, call: Promise<unknown>): Promise<string> {
  const failed = call.then(
    () => 'done',
    (error: unknown) => (error instanceof PilotError ? error.message : String(error)),
  );
  await router.clock.advance(30_000);
  return failed;
}

const other = (): number => 50_000;

describe('a UPnP router', () => {
  it('is found, and maps the port to us for two hours', async () => {
    const router = new Router();
    const mapping = await router.gateway().map(40_000, 40_000, other);
    assert.deepEqual(mapping, { external: { host: '203.0.113.9', port: 40_000 }, lifetime: 7_200_000 });
    assert.deepEqual([...router.mapped], [[40_000, { client: '192.168.1.7', lease: 7_200 }]]);
    assert.deepEqual(router.asked.slice(0, 2), ['239.255.255.250:1900', `${ROUTER}:1900`]);
    assert.equal(router.open, 0);
  });

  it('is found once, and gives back what it gave', async () => {
    const router = new Router();
    const gateway = router.gateway();
    await gateway.map(40_000, 40_000, other);
    const searches = router.asked.length;
    await gateway.map(40_000, 40_000, other);
    await gateway.unmap(40_000);
    assert.equal(router.asked.length, searches);
    assert.equal(router.mapped.size, 0);
  });

  it('gives another port when somebody has ours', async () => {
    const router = new Router();
    router.mapped.set(40_000, { client: '192.168.1.99', lease: 0 });
    const mapping = await router.gateway().map(40_000, 40_000, other);
    assert.equal(mapping.external.port, 50_000);
  });

  it('is not asked without end when everything is taken', async () => {
    const router = new Router();
    for (const port of [40_000, 50_000]) router.mapped.set(port, { client: '192.168.1.99', lease: 0 });
    assert.equal(await failureOf(router, router.gateway().map(40_000, 40_000, other)), 'upnp_refused_718');
    assert.ok(router.connected.length <= 8);
  });

  it('that knows no leases gets a mapping without end', async () => {
    const router = new Router();
    router.permanentOnly = true;
    assert.equal((await router.gateway().map(40_000, 40_000, other)).lifetime, undefined);
    assert.equal(router.mapped.get(40_000)?.lease, 0);
  });

  it('that is none, is silent or has no address is a failure with a name', async () => {
    const silent = new Router();
    silent.location = undefined;
    assert.equal(await failureOf(silent, silent.gateway().map(1, 1, other)), 'no_answer');
    const hanging = new Router();
    hanging.hangs = true;
    assert.equal(await failureOf(hanging, hanging.gateway().map(1, 1, other)), 'http_malformed');
    const offline = new Router();
    offline.external = '';
    assert.equal(await failureOf(offline, offline.gateway().map(1, 1, other)), 'no_external_address');
    for (const router of [silent, hanging, offline]) assert.equal(router.open, 0);
  });

  it('is the router itself: nobody else is believed, and nobody else is asked', async () => {
    const impostor = new Router();
    impostor.answersFrom = '192.168.1.66';
    assert.equal(await failureOf(impostor, impostor.gateway().map(1, 1, other)), 'no_answer');
    const pointing = new Router();
    pointing.location = 'http://10.0.0.1:80/desc.xml';
    assert.equal(await failureOf(pointing, pointing.gateway().map(1, 1, other)), 'no_answer');
    assert.deepEqual([...impostor.connected, ...pointing.connected], []);
  });
});
