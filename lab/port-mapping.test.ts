import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Endpoint } from '../src/base/units.ts';
import { type MappingProtocols, MappingRouter, whyNoMappingRouter } from './mapping-router.ts';
import { Network } from './network.ts';
import { whyNoShaper } from './shaper.ts';
import { whyNoNamespaces } from './shell.ts';
import { PROJECT } from './stage.ts';

const skip = whyNoNamespaces() ?? whyNoShaper() ?? whyNoMappingRouter() ?? false;
/** miniupnpd gives no ports of reserved addresses, not even those for documentation. */
const OUTSIDE = '45.67.89.10';

interface Line {
  readonly event?: string;
  readonly method?: string;
  readonly problem?: string;
  readonly tried?: readonly string[];
  readonly port?: number;
  readonly external?: Endpoint | null;
  readonly got?: string;
  readonly stopped?: object;
}

/** The mapper in its own process, and what it says. */
class Probe {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Line[] = [];
  #wake: () => void = () => {};

  constructor(network: Network, tunnelPort = 0) {
    const words = [...network.inside('host'), process.execPath, probeProgram(), `${tunnelPort}`];
    this.#child = spawn(words[0]!, words.slice(1), { stdio: ['pipe', 'pipe', 'inherit'] });
    let text = '';
    this.#child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const lines = text.split('\n');
      text = lines.pop()!;
      this.#lines.push(...lines.map((line) => JSON.parse(line) as Line));
      this.#wake();
    });
  }

  /** The next line that fits; lines before it are passed over. */
  async says(fits: (line: Line) => boolean): Promise<Line> {
    const deadline = AbortSignal.timeout(30_000);
    for (;;) {
      const at = this.#lines.findIndex(fits);
      if (at >= 0) return this.#lines.splice(0, at + 1).at(-1)!;
      assert.ok(!deadline.aborted, `never said; last: ${JSON.stringify(this.#lines.slice(-5))}`);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
        setTimeout(resolve, 1_000);
      });
    }
  }

  async stop(): Promise<void> {
    this.#child.stdin.end();
    await this.says((line) => line.stopped !== undefined);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function probeProgram(): string {
  return join(PROJECT, 'dist', 'lab', 'port-mapping-probe.js');
}

describe('ports of a real router', { skip }, () => {
  let network: Network;
  let router: MappingRouter;
  let probe: Probe | undefined;

  before(() => {
    network = new Network(`h${process.pid % 10000}`);
    network.machine('pub');
    network.plug('pub', 'eth0', { into: 'internet', addresses: ['45.67.89.1/24'] });
    network.machine('gw', { forwards: true });
    network.plug('gw', 'wan', { into: 'internet', addresses: [`${OUTSIDE}/24`] });
    network.plug('gw', 'lan', { into: 'home', addresses: ['192.168.10.1/24'] });
    network.machine('host');
    // A cable of single frames: the router looks into each request.
    network.plug('host', 'eth0', {
      into: 'home',
      link: { delayMs: 0 },
      addresses: ['192.168.10.2/24'],
      gateways: ['192.168.10.1'],
    });
    network.route('gw', { nat: 'port-restricted', external: OUTSIDE });
    router = new MappingRouter(network, 'gw');
  });
  afterEach(async () => {
    probe?.kill();
    await router.stop();
  });
  after(async () => {
    await router?.remove();
    network?.down();
  });

  /** The router works on what it was told a moment ago. */
  async function untilNoPorts(): Promise<void> {
    for (let i = 0; i < 50 && router.ports().length > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(router.ports(), []);
  }

  const start = (protocols: MappingProtocols): Promise<void> => router.start(protocols, '192.168.10.1');

  /** A stranger's datagram, which the NAT alone would drop. */
  function strangerSends(to: Endpoint, text: string): void {
    const program = `const s=require('dgram').createSocket('udp4');s.send(${JSON.stringify(text)},${to.port},'${to.host}',()=>s.close())`;
    network.on('pub', process.execPath, '-e', program);
  }

  const CASES: readonly { readonly method: string; readonly protocols: MappingProtocols }[] = [
    { method: 'pcp', protocols: { portControl: 'both', upnp: true } },
    { method: 'nat-pmp', protocols: { portControl: 'nat-pmp', upnp: true } },
    { method: 'upnp', protocols: { portControl: 'none', upnp: true } },
  ];
  for (const { method, protocols } of CASES) {
    it(`are had by ${method}, let strangers in, and are given back`, async () => {
      await start(protocols);
      probe = new Probe(network);
      const made = await probe.says((line) => line.event === 'port_mapping.made');
      assert.equal(made.method, method);
      assert.equal(made.external?.host, OUTSIDE);
      assert.deepEqual(router.ports(), [made.external.port]);
      strangerSends(made.external, `by ${method}`);
      await probe.says((line) => line.got === `by ${method}`);
      await probe.stop();
      await untilNoPorts();
    });
  }

  it('are the same again for a node that died without giving them back', async () => {
    await start({ portControl: 'both', upnp: false });
    probe = new Probe(network);
    const first = await probe.says((line) => line.event === 'port_mapping.made');
    probe.kill();
    probe = new Probe(network, first.port!);
    const second = await probe.says((line) => line.event === 'port_mapping.made');
    assert.equal(second.method, 'pcp');
    assert.deepEqual(second.external, first.external);
    assert.deepEqual(router.ports(), [first.external!.port]);
  });

  it('that nobody gives are a failure that names what was tried', async () => {
    probe = new Probe(network);
    const failed = await probe.says((line) => line.event === 'port_mapping.failed');
    assert.deepEqual(failed.tried, ['pcp', 'nat-pmp', 'upnp']);
    assert.equal(failed.problem, 'no_answer');
  });
});
