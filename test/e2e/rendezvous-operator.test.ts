import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { freePort, type Node, Sandbox } from './pilotctl.ts';
import { crypto, RawClient } from './registry-client.testkit.ts';

const TOKEN = 'a token that nobody guesses';
let sandbox: Sandbox;
let server: Node;
let port: number;
let start: readonly string[];
let tokenFile: string;

before(async () => {
  sandbox = await Sandbox.open();
  server = sandbox.node('server');
  port = await freePort();
  tokenFile = join(sandbox.node('files').home, '..', 'operator.token');
  const beacon = `127.0.0.1:${await freePort()}`;
  start = ['rendezvous', 'start', '--registry-addr', `127.0.0.1:${port}`, '--beacon-addr', beacon];
});
after(() => sandbox.close());

test('the operator of a rendezvous has a token of some length, or none', async () => {
  const missing = await server.failure([...start, '--admin-token-file', tokenFile]);
  assert.equal(missing.code, 'invalid_argument');
  writeFileSync(tokenFile, 'short\n');
  assert.equal((await server.failure([...start, '--admin-token-file', tokenFile])).code, 'invalid_argument');
  writeFileSync(tokenFile, `${TOKEN}\n`);
  await server.data([
    ...start,
    '--admin-token-file',
    tokenFile,
    '--network-creation',
    'operator',
    '--require-proof',
  ]);
  const operator = await RawClient.connect(port, crypto.signingKey(new Uint8Array(32).fill(1)));
  const { node_id } = await operator.register();
  const create = { type: 'create_network', node_id, name: 'net' };
  await assert.rejects(operator.signed(create), /network creation is disabled/);
  assert.equal((await operator.signed({ ...create, admin_token: TOKEN })).network_id, 1);
  const public_key = encodeBase64(crypto.signingKey(new Uint8Array(32).fill(2)).publicKey);
  const unproven = operator.send({ type: 'register', listen_addr: ':4000', public_key });
  await assert.rejects(unproven, /signature required/);
  operator.close();
});
