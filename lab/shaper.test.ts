import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { Network } from './network.ts';
import { whyNoShaper } from './shaper.ts';
import { whyNoNamespaces } from './shell.ts';

const skip = whyNoNamespaces() ?? whyNoShaper() ?? false;

/** Answers every datagram with itself. */
const ECHO = `
const s = require('dgram').createSocket('udp4');
s.on('message', (d, r) => s.send(d, r.port, r.address));
s.bind(7, () => console.log('ready'));`;

/** Sends numbered datagrams; prints how many came back, the fastest round trip and how often the order changed. */
const COUNT = `
const [host, count] = process.argv.slice(1);
const s = require('dgram').createSocket('udp4');
let back = 0, best = 1e9, last = -1, disorder = 0, sent = 0;
s.on('message', (d) => {
  const n = d.readUInt32BE(0);
  back++;
  best = Math.min(best, Number(process.hrtime.bigint() - d.readBigUInt64BE(4)) / 1e6);
  if (n < last) disorder++;
  last = n;
});
s.bind(0, () => {
  const timer = setInterval(() => {
    for (let i = 0; i < 10 && sent < count; i++) {
      const d = Buffer.alloc(200);
      d.writeUInt32BE(sent++, 0);
      d.writeBigUInt64BE(process.hrtime.bigint(), 4);
      s.send(d, 7, host);
    }
    if (sent < count) return;
    clearInterval(timer);
    setTimeout(() => { console.log(JSON.stringify({ back, best, disorder })); process.exit(); }, 500);
  }, 2);
});`;

describe('a shaped cable', { skip }, () => {
  let net: Network;

  before(async () => {
    net = new Network(`s${process.pid % 10000}`);
    net.machine('a');
    net.machine('b');
    net.plug('a', 'eth0', { into: 'wire', addresses: ['10.9.0.1/24'], link: { delayMs: 20 } });
    net.plug('b', 'eth0', { into: 'wire', addresses: ['10.9.0.2/24'] });
    const [command, ...words] = [...net.inside('b'), process.execPath, '-e', ECHO];
    const echo = spawn(command!, words, { stdio: ['ignore', 'pipe', 'inherit'] });
    for await (const _ of createInterface({ input: echo.stdout })) break;
  });

  after(() => net.down());

  function measure(count: number): { back: number; best: number; disorder: number } {
    return JSON.parse(net.on('a', process.execPath, '-e', COUNT, '10.9.0.2', String(count)));
  }

  it('delays every frame, keeps all and their order', () => {
    net.link('a', 'eth0', { delayMs: 20, jitterMs: 5 });
    // The kernel keeps only some datagrams while it looks for the neighbour's address.
    measure(1);
    const { back, best, disorder } = measure(200);
    assert.equal(back, 200);
    assert.equal(disorder, 0);
    assert.ok(best >= 40, `a round trip took ${best} ms`);
  });

  it('loses the share it is told to, in each direction', () => {
    net.link('a', 'eth0', { loss: 0.2 });
    const { back } = measure(2000);
    // 0.8 × 0.8 of 2,000 is 1,280; ten standard deviations are 215.
    assert.ok(Math.abs(back - 1280) < 215, `${back} came back`);
  });

  it('carries nothing while it is pulled, and again afterwards', () => {
    net.link('a', 'eth0', {});
    net.carry('a', 'eth0', false);
    assert.equal(measure(20).back, 0);
    net.carry('a', 'eth0', true);
    assert.equal(measure(20).back, 20);
  });
});
