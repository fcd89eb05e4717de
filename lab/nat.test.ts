import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Agents } from './agents.ts';
import { run, whyNoNamespaces } from './shell.ts';

const skip = whyNoNamespaces() ?? false;
const noCapture =
  run('tcpdump', ['--version']).status === 0 ? undefined : 'tcpdump is missing (apt-get install tcpdump)';

test('two port-restricted NATs connect directly, the first echo within a second', { skip }, async (t) => {
  const agents = new Agents(`pd${process.pid % 10000}`);
  try {
    await agents.up('port-restricted', 'port-restricted');
    const spent = await agents.firstEcho(agents.a, 'node-b');
    t.diagnostic(`first echoed byte after ${spent.toFixed(0)} ms`);
    assert.ok(spent < 1000, `first echo took ${spent.toFixed(0)} ms`);
    await agents.until(() => agents.pathOf(agents.a) === 'direct' && agents.pathOf(agents.b) === 'direct', 5);
  } finally {
    agents.down();
  }
});

test('two symmetric NATs talk through the relay, which sees no plaintext', {
  skip: skip || noCapture || false,
}, async (t) => {
  const agents = new Agents(`ps${process.pid % 10000}`);
  try {
    await agents.up('symmetric', 'symmetric');
    const capture = join(agents.stage.directory, 'beacon.pcap');
    const tcpdump = spawn(
      'ip',
      [...agents.lab.inside('pub').slice(1), 'tcpdump', '-i', 'br0', '-U', '-w', capture, 'udp'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    await new Promise((resolve) => tcpdump.stderr.once('data', resolve));
    const spent = await agents.firstEcho(agents.a, 'node-b');
    t.diagnostic(`first echoed byte after ${spent.toFixed(0)} ms`);
    assert.ok(spent < 1000, `first echo took ${spent.toFixed(0)} ms`);
    assert.equal(agents.pathOf(agents.a), 'relay');

    const marker = randomBytes(24);
    const file = join(agents.stage.directory, 'secret.bin');
    writeFileSync(file, Buffer.concat([marker, randomBytes(500_000), marker]));
    agents.stage.pilotctl(agents.a, ['send-message', 'node-b', '--data', 'plain words to look for'], {
      quiet: true,
    });
    agents.stage.pilotctl(agents.a, ['send-file', 'node-b', file], { quiet: true });
    await new Promise((resolve) => setTimeout(resolve, 500));
    tcpdump.kill('SIGINT');
    await new Promise((resolve) => tcpdump.once('exit', resolve));
    const seen = readFileSync(capture);
    t.diagnostic(`captured ${seen.length} bytes on the beacon's link`);
    assert.ok(seen.length > 500_000, 'the file crossed the beacon');
    assert.ok(seen.includes('PILS'), 'sealed packets are visible as such');
    assert.ok(!seen.includes('plain words to look for'));
    assert.ok(!seen.includes(marker));
  } finally {
    agents.down();
  }
});
