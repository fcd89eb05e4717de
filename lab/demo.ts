/**
 * The main job, for real: two agents behind different NATs find, trust and talk to each other; once direct, once
 * through the relay. Usage: npm run demo [-- --keep | -- --down]
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NatLab } from './nat-lab.ts';
import { readRecording } from './recording-net.ts';
import { whyNoNamespaces } from './shell.ts';
import { type Actor, PROJECT, Stage } from './stage.ts';

const SECRET = 'the launch code is 8472';
const keep = process.argv.includes('--keep');
const lab = new NatLab('pilot');

if (process.argv.includes('--down')) {
  lab.down();
  console.log('namespaces removed');
  process.exit(0);
}

const stage = new Stage();
const obstacle = whyNoNamespaces();
const inNamespaces = obstacle === undefined;
const host = inNamespaces ? lab.publicAddress : '127.0.0.1';
const nodeA = stage.actor('node-a', inNamespaces ? lab.inside('a') : []);
const nodeB = stage.actor('node-b', inNamespaces ? lab.inside('b') : []);
let rendezvous: ChildProcess | undefined;

interface Rendezvous {
  readonly registryEndpoint: { readonly port: number };
  readonly beaconEndpoint: { readonly port: number };
  readonly fingerprint: string;
}

async function startRendezvous(): Promise<Rendezvous> {
  const directory = join(stage.directory, 'rendezvous');
  mkdirSync(directory, { mode: 0o700 });
  const words = [
    ...(inNamespaces ? lab.inside('pub') : []),
    process.execPath,
    join(PROJECT, 'dist', 'lab', 'recording-rendezvous.js'),
    host,
    directory,
    inNamespaces ? '9000' : '0',
  ];
  const child = spawn(words[0]!, words.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  rendezvous = child;
  return await new Promise((resolve, reject) => {
    let text = '';
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(JSON.parse(text) as Rendezvous);
    });
    child.on('exit', (code) => reject(new Error(`the rendezvous ended with ${code}: ${text}`)));
  });
}

function pathTo(actor: Actor): string {
  const { peers } = stage.json<{ peers: { path?: string }[] }>(actor, ['peers']);
  return peers[0]?.path ?? 'none';
}

function expectPath(wanted: 'direct' | 'relay'): void {
  const path = pathTo(nodeA);
  const relayed = path === 'relay';
  if (relayed !== (wanted === 'relay'))
    throw new Error(`expected a ${wanted} path, the daemon reports "${path}"`);
  stage.say(`the daemon reports: ${path}`);
}

function converse(file: string): void {
  stage.pilotctl(nodeA, ['ping', 'node-b', '--count', '3', '--interval', '200ms']);
  stage.pilotctl(nodeA, ['send-message', 'node-b', '--data', SECRET]);
  stage.pilotctl(nodeB, ['inbox']);
  stage.pilotctl(nodeA, ['send-file', 'node-b', file]);
  stage.pilotctl(nodeB, ['received']);
  stage.pilotctl(nodeA, ['bench', 'node-b', '4']);
  stage.pilotctl(nodeA, ['peers']);
}

/** Shows that the beacon saw nothing readable: no recorded datagram holds the message, its base64, or the file. */
function proveCiphertext(fileMarker: Buffer): void {
  const recording = join(stage.directory, 'rendezvous', 'beacon.recording');
  if (!existsSync(recording)) throw new Error('the beacon recorded nothing');
  const relayed = readRecording(readFileSync(recording)).filter(({ data }) => data[0] === 0x06);
  const bytes = relayed.reduce((sum, { data }) => sum + data.length, 0);
  const needles = [
    Buffer.from(SECRET),
    Buffer.from(Buffer.from(SECRET).toString('base64').slice(0, 24)),
    fileMarker,
  ];
  const leaks = relayed.filter(({ data }) => needles.some((needle) => data.includes(needle))).length;
  const sealed = relayed.filter(({ data }) => data.subarray(5, 9).toString() === 'PILS');
  stage.say(
    `the beacon relayed ${relayed.length} frames, ${bytes} bytes; ${sealed.length} of them sealed packets (PILS),`,
  );
  stage.say('the rest key exchanges. One as the beacon saw it:');
  const sample = sealed.find(({ data }) => data.length > 200) ?? sealed[0];
  if (sample !== undefined)
    stage.say(
      `  ${sample.data
        .subarray(0, 48)
        .toString('hex')
        .replace(/(.{8})/g, '$1 ')}...`,
    );
  if (relayed.length === 0 || sealed.length === 0) throw new Error('nothing was relayed');
  if (leaks > 0) throw new Error(`${leaks} relayed frames contain plaintext`);
  stage.say(`searched every one for the message "${SECRET}" and for the file's content: not found`);
}

function startBoth(): void {
  stage.pilotctl(nodeA, ['daemon', 'start']);
  stage.pilotctl(nodeB, ['daemon', 'start']);
}

function stopBoth(quiet: boolean): void {
  for (const actor of [nodeA, nodeB]) stage.pilotctl(actor, ['daemon', 'stop'], { quiet, mayFail: true });
}

async function story(): Promise<void> {
  stage.title(inNamespaces ? 'Two home networks and a public rendezvous' : 'Two agents on loopback');
  if (inNamespaces) {
    lab.up();
    lab.nat('a', 'port-restricted');
    lab.nat('b', 'port-restricted');
    stage.say('node-a 192.168.10.2 -- NAT 203.0.113.10 --\\');
    stage.say(`                                            rendezvous ${host}`);
    stage.say(
      'node-b 192.168.20.2 -- NAT 203.0.113.20 --/    (network namespaces, real kernel NAT, port-restricted)',
    );
  } else {
    stage.say(`no NAT here: ${obstacle}`);
    stage.say(
      'so both agents run on loopback, and direct UDP between them is switched off for the relayed part',
    );
  }
  const { registryEndpoint, beaconEndpoint, fingerprint } = await startRendezvous();
  stage.say(
    `rendezvous up; its beacon records every datagram it sees. Key fingerprint ${fingerprint.slice(0, 16)}...`,
  );
  for (const actor of [nodeA, nodeB]) {
    stage.pilotctl(actor, [
      'init',
      '--registry',
      `${host}:${registryEndpoint.port}`,
      '--beacon',
      `${host}:${beaconEndpoint.port}`,
      '--hostname',
      actor.name,
    ]);
    if (!inNamespaces) stage.pilotctl(actor, ['config', '--set', 'relay_only=true'], { quiet: true });
  }

  stage.title('1. Start the daemons');
  startBoth();
  stage.title('2. Who am I?');
  stage.pilotctl(nodeA, ['info']);
  stage.title('3. node-a asks for trust. Before that, not even a ping gets through');
  stage.pilotctl(nodeA, ['ping', 'node-b', '--count', '1', '--timeout', '2s'], { mayFail: true });
  stage.pilotctl(nodeA, ['handshake', 'node-b', 'let us work together']);
  stage.title('4. node-b approves');
  await waitFor(
    () => stage.json<{ pending: unknown[] }>(nodeB, ['pending']).pending.length > 0,
    'the request',
  );
  stage.pilotctl(nodeB, ['pending']);
  stage.pilotctl(nodeB, ['approve', 'node-a']);
  await waitFor(
    () => stage.json<{ trusted: unknown[] }>(nodeA, ['trust']).trusted.length > 0,
    'the approval',
  );

  const marker = randomBytes(32);
  const file = join(stage.directory, 'model.bin');
  writeFileSync(file, Buffer.concat([marker, randomBytes(3_000_000), marker]));

  if (inNamespaces) {
    stage.title('Direct: both NATs are port-restricted, so the daemons punch a hole');
    converse(file);
    expectPath('direct');
    stage.title('Relayed: both agents move behind symmetric NATs and restart; address, name and trust stay');
    stopBoth(false);
    lab.nat('a', 'symmetric');
    lab.nat('b', 'symmetric');
    startBoth();
    converse(file);
    expectPath('relay');
    stage.title('What did the relay see?');
    proveCiphertext(marker);
  } else {
    stage.title('Relayed: direct UDP between the two is switched off');
    converse(file);
    expectPath('relay');
    stage.title('What did the relay see?');
    proveCiphertext(marker);
    stage.title('Direct: switched on again; address, name and trust stay');
    stopBoth(false);
    for (const actor of [nodeA, nodeB])
      stage.pilotctl(actor, ['config', '--set', 'relay_only=false'], { quiet: true });
    startBoth();
    converse(file);
    expectPath('direct');
  }
}

async function waitFor(condition: () => boolean, what: string): Promise<void> {
  for (let i = 0; i < 50; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${what} did not arrive within 10 s`);
}

function cleanUp(): void {
  stopBoth(true);
  rendezvous?.kill('SIGTERM');
  if (inNamespaces) lab.down();
  stage.remove();
}

process.on('SIGINT', () => {
  cleanUp();
  process.exit(130);
});

try {
  await story();
  const seconds = ((Date.now() - stage.started) / 1000).toFixed(1);
  if (keep) {
    stage.title(`Done in ${seconds} s; everything is left running`);
    for (const actor of [nodeA, nodeB]) {
      const words = [
        ...actor.prefix,
        'env',
        `PILOT_HOME=${actor.home}`,
        'node',
        'dist/bin/pilotctl.js',
        'info',
      ];
      stage.say(words.join(' '));
    }
    stage.say('remove it with: npm run demo -- --down, or press Ctrl-C here');
    await new Promise(() => setInterval(() => {}, 60_000));
  }
  stage.title(`Done in ${seconds} s; cleaning up`);
  cleanUp();
  process.exit(0);
} catch (error) {
  console.error(`\ndemo failed: ${error instanceof Error ? error.message : error}`);
  if (!keep) cleanUp();
  process.exit(1);
}
