import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { writeU16, writeU32 } from '../../base/bytes.ts';
import type { Endpoint } from '../../base/units.ts';
import { PortMapping } from './port-mapping.ts';
import { isPublic } from './public.ts';
import type { PortMappingOutput } from './types.ts';

const NONCE = Uint8Array.from({ length: 12 }, (_, i) => i + 1);
const NETWORK = { gateway: '192.168.1.1', internal: { host: '192.168.1.2', port: 40_000 } };
const HOUR = 3_600_000;

/** A machine with its clock, and a router that answers as it is told to. */
class Bench {
  readonly machine = new PortMapping({ nonce: NONCE });
  now = 0;
  readonly log: string[] = [];
  external: Endpoint | undefined;
  /** Requests sent, as `pcp 7200`, `pmp address`, `pmp map 7200`, `upnp map`. */
  readonly requests: string[] = [];
  router: (request: Uint8Array) => Uint8Array | undefined = () => undefined;
  upnp: (() => void) | undefined;

  start(): void {
    this.machine.use(NETWORK, this.now);
    this.drain();
  }

  drain(): void {
    for (let output = this.machine.poll(); output !== undefined; output = this.machine.poll())
      this.#act(output);
  }

  #act(output: PortMappingOutput): void {
    switch (output.type) {
      case 'transmit': {
        this.requests.push(describeRequest(output.data));
        const answer = this.router(output.data);
        if (answer !== undefined) this.machine.handleDatagram(answer, this.now);
        return;
      }
      case 'upnp':
        this.requests.push(`upnp ${output.task}`);
        this.upnp?.();
        return;
      case 'mapped':
        this.external = output.external;
        return;
      case 'event':
        this.log.push(output.event.name);
        return;
      default:
        output satisfies never;
    }
  }

  /** Runs timers until `end`. */
  until(end: number): void {
    for (let i = 0; ; i++) {
      assert.ok(i < 10_000, 'timers without end');
      const next = this.machine.nextTimeout();
      if (next === undefined || next > end) break;
      this.now = Math.max(this.now, next);
      this.machine.handleTimeout(this.now);
      this.drain();
    }
    this.now = end;
  }
}

function describeRequest(data: Uint8Array): string {
  const view = new DataView(data.buffer, data.byteOffset);
  if (data[0] === 2) return `pcp ${view.getUint32(4)}`;
  return data[1] === 0 ? 'pmp address' : `pmp map ${view.getUint32(8)}`;
}

/** Answers a PCP request; a router that has `code` refuses. */
function pcp(
  request: Uint8Array,
  { code = 0, lifetime = 7200, port = 50_000, host = [203, 0, 113, 9] } = {},
) {
  if (request[0] !== 2) return undefined;
  const answer = request.slice();
  answer[1] = 0x81;
  answer[3] = code;
  writeU32(answer, 4, lifetime);
  writeU16(answer, 42, port);
  answer.set([0xff, 0xff, ...host], 54);
  return answer;
}

/** A router of the older protocol: to a PCP request it says its own version. */
function natPmp(request: Uint8Array): Uint8Array {
  if (request[0] !== 0) return Uint8Array.of(0, 0x80, 0, 1, 0, 0, 0, 1);
  if (request[1] === 0) return Uint8Array.of(0, 0x80, 0, 0, 0, 0, 0, 1, 203, 0, 113, 9);
  const answer = new Uint8Array(16);
  answer[1] = 0x81;
  answer.set(request.subarray(4, 8), 8);
  answer.set(request.subarray(8, 12), 12);
  return answer;
}

describe('port mapping', () => {
  it('is one request to a router that speaks PCP', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request);
    bench.start();
    assert.deepEqual(bench.requests, ['pcp 7200']);
    assert.deepEqual(bench.external, { host: '203.0.113.9', port: 50_000 });
    assert.deepEqual(bench.machine.status(), {
      mode: 'auto',
      gateway: NETWORK.gateway,
      method: 'pcp',
      external: bench.external,
      expiresAt: 2 * HOUR,
      tried: ['pcp'],
    });
  });

  it('is renewed at half its time, and stays the same', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request);
    bench.start();
    bench.until(10 * HOUR);
    assert.equal(bench.requests.length, 11);
    assert.deepEqual(bench.log, ['port_mapping.made']);
  });

  it('falls back to NAT-PMP at once where the router says that it knows no other', () => {
    const bench = new Bench();
    bench.router = natPmp;
    bench.start();
    assert.deepEqual(bench.requests, ['pcp 7200', 'pmp address', 'pmp map 7200']);
    assert.equal(bench.machine.status().method, 'nat-pmp');
    assert.deepEqual(bench.external, { host: '203.0.113.9', port: 40_000 });
  });

  it('falls back to NAT-PMP where the router is silent to anything else', () => {
    const bench = new Bench();
    bench.router = (request) => (request[0] === 0 ? natPmp(request) : undefined);
    bench.start();
    bench.until(1_000);
    assert.equal(bench.machine.status().method, 'nat-pmp');
  });

  it('falls back to UPnP within two seconds of silence, and renews by it', () => {
    const bench = new Bench();
    const external = { host: '203.0.113.9', port: 40_000 };
    bench.upnp = () => bench.machine.upnpMapped({ external, lifetime: HOUR }, bench.now);
    bench.start();
    bench.until(2_000);
    assert.equal(bench.machine.status().method, 'upnp');
    const before = bench.requests.length;
    bench.until(2_000 + HOUR / 2);
    assert.deepEqual(bench.requests.slice(before), ['upnp map']);
    assert.deepEqual(bench.external, external);
  });

  it('falls back to UPnP where PCP is refused, and tells the refusal when that fails as well', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request, { code: 2 });
    bench.upnp = () => bench.machine.upnpFailed('no_answer', bench.now);
    bench.start();
    assert.deepEqual(bench.log, ['port_mapping.failed']);
    assert.equal(bench.machine.status().problem, 'not_authorized');
    assert.deepEqual(bench.machine.status().tried, ['pcp', 'upnp']);
  });

  it('is tried again some time after everything failed', () => {
    const bench = new Bench();
    bench.start();
    bench.until(60_000);
    assert.equal(bench.machine.status().problem, 'no_answer');
    bench.router = (request) => pcp(request);
    bench.until(HOUR);
    assert.equal(bench.machine.status().method, 'pcp');
    assert.equal(bench.machine.status().problem, undefined);
  });

  it('is lost when the router does not renew it, and told once', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request);
    bench.start();
    bench.router = () => undefined;
    bench.until(2 * HOUR - 1);
    assert.notEqual(bench.external, undefined);
    bench.until(2 * HOUR);
    assert.equal(bench.external, undefined);
    assert.equal(bench.log.filter((name) => name === 'port_mapping.lost').length, 1);
  });

  it('is asked for again when the router may have restarted, but not all the time', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request);
    bench.start();
    bench.machine.check(1_000);
    bench.drain();
    assert.equal(bench.requests.length, 1);
    bench.now = 60_000;
    bench.router = (request) => pcp(request, { port: 50_001 });
    bench.machine.check(bench.now);
    bench.drain();
    assert.deepEqual(bench.external, { host: '203.0.113.9', port: 50_001 });
  });

  it('of a router that has a private address itself is no way in', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request, { host: [100, 64, 1, 1] });
    bench.start();
    assert.equal(bench.external, undefined);
    assert.equal(bench.machine.status().problem, 'router_behind_nat');
  });

  it('is given back in the language it was made in', () => {
    const pcpBench = new Bench();
    pcpBench.router = (request) => pcp(request);
    pcpBench.start();
    pcpBench.machine.release();
    pcpBench.drain();
    assert.equal(pcpBench.requests.at(-1), 'pcp 0');
    const pmpBench = new Bench();
    pmpBench.router = natPmp;
    pmpBench.start();
    pmpBench.machine.release();
    pmpBench.drain();
    assert.equal(pmpBench.requests.at(-1), 'pmp map 0');
    assert.equal(pmpBench.machine.nextTimeout(), undefined);
  });

  it('does not outlive the network it was made on', () => {
    const bench = new Bench();
    bench.router = (request) => pcp(request);
    bench.start();
    bench.machine.use('no_router', bench.now);
    bench.drain();
    assert.equal(bench.external, undefined);
    assert.equal(bench.machine.status().problem, 'no_router');
    assert.equal(bench.machine.nextTimeout(), undefined);
  });

  it('is not made by an answer to somebody else', () => {
    const bench = new Bench();
    bench.router = (request) => {
      const answer = pcp(request);
      answer?.set([9], 24);
      return answer;
    };
    bench.start();
    assert.equal(bench.external, undefined);
    bench.router = (request) => {
      const answer = pcp(request);
      if (answer !== undefined) writeU16(answer, 40, 1);
      return answer;
    };
    bench.until(300);
    assert.equal(bench.external, undefined);
  });

  it('survives whatever a router says, with bounded output and a timer that is never in the past', () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant('bytes' as const), data: fc.uint8Array({ maxLength: 70 }) }),
      fc.record({ kind: fc.constant('pcp' as const), code: fc.nat(15), lifetime: fc.nat(100_000) }),
      fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(HOUR) }),
      fc.record({
        kind: fc.constantFrom('check' as const, 'use' as const, 'upnp' as const, 'failed' as const),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const bench = new Bench();
        bench.start();
        for (const one of steps) {
          const before = bench.requests.length;
          if (one.kind === 'bytes') bench.machine.handleDatagram(one.data, bench.now);
          else if (one.kind === 'pcp') bench.router = (request) => pcp(request, one);
          else if (one.kind === 'wait') bench.until(bench.now + one.ms);
          else if (one.kind === 'check') bench.machine.check(bench.now);
          else if (one.kind === 'use') bench.machine.use(NETWORK, bench.now);
          else if (one.kind === 'failed') bench.machine.upnpFailed('no_service', bench.now);
          else
            bench.machine.upnpMapped(
              { external: { host: '203.0.113.9', port: 1 }, lifetime: undefined },
              bench.now,
            );
          bench.drain();
          if (one.kind !== 'wait') assert.ok(bench.requests.length - before <= 4);
          const next = bench.machine.nextTimeout();
          assert.ok(next === undefined || next >= bench.now);
        }
      }),
    );
  });
});

describe('an address of the world', () => {
  it('is neither private, shared, local nor a group', () => {
    for (const host of ['8.8.8.8', '203.0.113.9', '100.63.0.1', '172.32.0.1', '192.169.0.1'])
      assert.ok(isPublic(host), host);
    for (const host of [
      ...['10.1.1.1', '100.64.0.1', '100.127.1.1', '127.0.0.1', '169.254.1.1', '172.16.0.1', '172.31.0.1'],
      ...['192.168.0.1', '224.0.0.1', '0.0.0.0', '255.255.255.255', '2001:db8::1', 'name', ''],
    ])
      assert.ok(!isPublic(host), host);
  });
});
