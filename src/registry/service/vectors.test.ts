/** What a live registry of the other implementation answered, replayed against ours. docs/decisions/0003 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex } from '../../base/bytes.ts';
import { parseHostPort } from '../../base/endpoint.ts';
import { loadVectors } from '../../wire/codec.testkit.ts';
import { canonicalJson, type JsonObject } from '../../wire/json.ts';
import { JsonFrameReader } from '../../wire/registry-frame.ts';
import { identity, keyText, testRegistry } from '../registry.testkit.ts';
import { advertisedEndpoint } from './endpoint.ts';
import { HANDLERS, NOT_OFFERED } from './handlers.ts';

interface Exchange {
  readonly name: string;
  readonly request: string;
  readonly response: string;
}

const responses = loadVectors<{
  exchanges: Exchange[];
  sanitize_listen_addr: { client: string; remote: string; result: string }[];
}>('registry-responses');
const frames = loadVectors<{
  ed25519_seed_hex: string;
  messages: { name: string; hex: string; json: string; signed_string?: string }[];
}>('registry-client-frames');

const refused = (error: string): JsonObject => ({ type: 'error', error });
const notOffered = (type: string): JsonObject =>
  refused(`enterprise feature: ${type} is not offered by this registry`);

/** Where ours answers differently on purpose, by number of the exchange. Every reason is in docs/decisions/0003. */
const DEVIATIONS: ReadonlyMap<number, JsonObject> = new Map<number, JsonObject>([
  // Whether an id is in use, and a private node there, is told to nobody who has nothing to do with it.
  [16, refused('request failed')],
  [17, refused('node 2: node not found')],
  [22, { type: 'request_handshake_ok', status: 'delivered' }],
  [23, { type: 'request_handshake_ok', status: 'delivered' }],
  [36, refused('request failed')],
  // One side's word makes no trust.
  [35, { type: 'check_trust_ok', trusted: false }],
  // Scores are written by the operator only.
  [53, refused('admin token required to change a polo score')],
  [54, refused('admin token required to change a polo score')],
  // A join rule that nobody can fulfil is a mistake; networks one must be invited to exist for the invited.
  [66, refused('invalid join_rule: open, token or invite')],
  [71, refused('network 3: network not found')],
  // The owner's e-mail is no key: a new key is a new node, and the old one keeps everything.
  [
    112,
    {
      type: 'register_ok',
      node_id: 4,
      network_id: 0,
      address: '0:0000.0000.0004',
      observed_addr: '127.0.0.1:4000',
      protocol_version: 1,
      public_key: 'yFOtDwzSthmuqSzuxP1Wok1kmdWEznklfkXP2BObYKc=',
    },
  ],
  [
    113,
    {
      type: 'lookup_ok',
      node_id: 1,
      address: '0:0000.0000.0001',
      hostname: 'alpha',
      networks: [0, 1, 3],
      polo_score: 997,
      public: true,
      public_key: 'wFDFY3pE+oYp//PMzOIwDLNipj2Z2V/FQUUmb0MyRFo=',
      real_addr: '127.0.0.1:4000',
      tags: ['a', 'b', 'c', 'd'],
      task_exec: true,
      version: 'v1',
    },
  ],
]);

/**
 * Entries of the audit log that only one of the two registries has: handshakes and re-registrations change nothing, and
 * a beacon is no fact that is kept; names given at registration and trust that only one side meant are what differs.
 */
const OTHER_ENTRIES = {
  ours: ['hostname.changed', 'polo_score.set'],
  theirs: [
    'beacon.registered',
    'handshake.relayed',
    'handshake.responded',
    'handshake.responded',
    'network.created',
    'node.re_registered',
    'polo_score.updated',
  ],
};

interface OldEntry {
  readonly action: string;
}

function entriesOf(answer: string): OldEntry[] {
  return (JSON.parse(answer) as { entries: OldEntry[] }).entries;
}
/** The members that entries have, and of which kind. */
function shapeOf(answer: string): string[] {
  const members = entriesOf(answer).flatMap((entry) =>
    Object.entries(entry).map(([name, value]) => `${name}: ${typeof value}`),
  );
  return [...new Set(members)].sort();
}
function onlyOurs(answer: string, recorded: string): { ours: string[]; theirs: string[] } {
  const theirs = entriesOf(recorded).map(({ action }) => action);
  const ours = entriesOf(answer).flatMap(({ action }) => {
    const at = theirs.indexOf(action);
    if (at >= 0) theirs.splice(at, 1);
    return at >= 0 ? [] : [action];
  });
  return { ours: ours.sort(), theirs: theirs.sort() };
}

test('answers the recorded requests as the recorded registry did, but for the listed deviations', async () => {
  const { connect } = testRegistry({ adminToken: 'tok' });
  const connection = connect('127.0.0.1');
  let equal = 0;
  let offered = 0;
  for (const [number, { name, request, response }] of responses.exchanges.entries()) {
    const message = JSON.parse(request) as JsonObject;
    const answer = plain(await connection.send(message));
    const type = String(message.type);
    if (type === 'get_audit_log') {
      // The log of other events and details, in the same shape.
      assert.deepEqual(shapeOf(answer), shapeOf(plain(JSON.parse(response) as JsonObject)));
      assert.deepEqual(onlyOurs(answer, response), OTHER_ENTRIES);
      offered++;
      continue;
    }
    const deviation = DEVIATIONS.get(number) ?? (NOT_OFFERED.has(type) ? notOffered(type) : undefined);
    assert.equal(
      answer,
      plain(deviation ?? (JSON.parse(response) as JsonObject)),
      `exchange ${number}: ${name}`,
    );
    if (deviation === undefined) equal++;
    if (!NOT_OFFERED.has(type)) offered++;
    // Keeps the state in step with the recording.
    if (number === 53 || number === 54) await connection.send({ ...message, admin_token: 'tok' });
  }
  assert.deepEqual(
    { exchanges: responses.exchanges.length, offered, equal },
    { exchanges: 118, offered: 113, equal: 100 },
  );
});

test('makes the advertised endpoint of an old client as recorded', () => {
  for (const { client, remote, result } of responses.sanitize_listen_addr) {
    assert.equal(advertisedEndpoint(client, parseHostPort(remote)!, false), result);
  }
});

test('reads every recorded request frame and knows its type', async () => {
  const key = identity(0xd4);
  const { connect } = testRegistry({ adminToken: 'tok' });
  const connection = connect();
  // Node 1 has the key of the recording, so its signatures must hold; nodes 2 and 3 are bystanders.
  await connection.registerOld(key);
  await connection.registerOld(identity(2));
  assert.equal(
    keyText(key),
    loadVectors<{ public_key_b64: string }>('registry-client-frames').public_key_b64,
  );
  let signed = 0;
  for (const { name, hex, json, signed_string } of frames.messages) {
    const reader = new JsonFrameReader();
    reader.push(fromHex(hex)!);
    const request = reader.next()!;
    assert.equal(canonicalJson(request), canonicalJson(JSON.parse(json)), name);
    const type = String(request.type);
    assert.ok(HANDLERS.has(type) || NOT_OFFERED.has(type), name);
    if (signed_string === undefined || NOT_OFFERED.has(type) || request.node_id === 2) continue;
    const { error, code } = await connection.send({ ...request, request_id: 1 });
    assert.doesNotMatch(String(error ?? ''), /signature/, `${name}: ${String(error)} ${String(code)}`);
    signed++;
  }
  assert.ok(signed >= 12, `${signed} signed requests`);
});

/** Text of a message with clock values and times blanked. */
function plain(message: object): string {
  return canonicalJson(message)
    .replace(/"(time|timestamp|created)":\d+/g, '"$1":0')
    .replace(/"\d{4}-\d\d-\d\dT[^"]*Z"/g, '"<RFC3339>"');
}
