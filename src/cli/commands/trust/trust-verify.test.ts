import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeCrypto } from '../../../platform/index.ts';
import { fingerprintOf } from '../../../wire/fingerprint.ts';
import { encodeRevocations, encodeTrustBundle } from '../../../wire/trust-bundle.ts';
import { signTrustCertificate } from '../../../wire/trust-certificate.ts';
import { signTrustRevocation } from '../../../wire/trust-revocation.ts';
import { TestMachine } from '../../cli.testkit.ts';
import { runCli } from '../../main.ts';

/** The test clock's start. */
const NOW = 1_700_000_000;
const crypto = nodeCrypto();
const [alice, bob] = [1, 2].map((seed) => crypto.signingKey(new Uint8Array(32).fill(seed)));
const certificate = signTrustCertificate(
  bob!,
  9,
  signTrustCertificate(alice!, 7, {
    serial: 1,
    a: { node: 7, key: alice!.publicKey, offers: { ports: '1001', opens: 5 } },
    b: { node: 9, key: bob!.publicKey, offers: { ports: '*' } },
    notBefore: NOW - 60,
    notAfter: NOW + 3600,
    reason: 'a \u001b[31mred\u001b[0m reason',
  }),
);
const revocation = signTrustRevocation(bob!, { node: 9, peer: 7, serial: 1, at: NOW, reason: '' });

const machine = new TestMachine();
const text = encodeTrustBundle({ certificate, revocations: [], rotations: [] });
for (const [name, data] of Object.entries({
  'good.trust': `${text}\n`,
  'revoked.json': encodeRevocations([revocation]),
})) {
  machine.files.set(`/here/${name}`, { data, owner: 1000 });
}

async function verify(args: readonly string[], stdin?: string) {
  const host = machine.host(stdin === undefined ? {} : { stdin });
  const exit = await runCli(host, ['trust', 'verify', ...args, '--json']);
  const said = JSON.parse(exit === 0 ? host.stdout.text : host.stderr.text);
  return { exit, ...(said as { code?: string; message?: string; data?: Record<string, unknown> }) };
}

test('a certificate in order is shown, and nothing of it can move the cursor', async () => {
  const host = machine.host();
  assert.equal(await runCli(host, ['trust', 'verify', 'good.trust']), 0);
  assert.match(host.stdout.text, /valid, signed by both/);
  assert.match(host.stdout.text, /node 9 may reach: 1001 \(messages\) at 5\/min/);
  assert.match(host.stdout.text, /in 1h/);
  assert.match(host.stdout.text, /none given/);
  assert.ok(!host.stdout.text.includes('\u001b'));
});

test('it may come from standard input', async () => {
  assert.equal((await verify(['-'], text)).exit, 0);
});

test('each check has its flag, and its code', async () => {
  const fingerprint = fingerprintOf(crypto, alice!.publicKey);
  const cases = [
    [['--port', 'messages', '--from', '9'], undefined],
    [['--port', 'messages', '--from', '0:0000.0000.0009'], undefined],
    [['--ports', '80,1001', '--from', '9'], 'scope_denied'],
    [['--port', '80'], 'scope_denied'],
    [['--key', `7=${fingerprint}`], undefined],
    [['--key', `9=${fingerprint}`], 'certificate_invalid'],
    [['--at', '2099-01-01'], 'certificate_expired'],
    [['--at', String(NOW + 3600)], 'certificate_expired'],
    [['--at', '2001-01-01T00:00:00Z'], 'certificate_invalid'],
    [['--revocations', 'revoked.json'], 'certificate_revoked'],
    [['--revocations', 'none.json'], 'not_found'],
    [['--port', '80', '--ports', '81'], 'invalid_argument'],
    [['--at', 'tomorrow'], 'invalid_argument'],
    [['--key', '7'], 'invalid_argument'],
    [['--from', 'node-a'], 'invalid_argument'],
  ] as const;
  for (const [flags, code] of cases) {
    const said = await verify(['good.trust', ...flags]);
    assert.equal(said.code, code, flags.join(' '));
    assert.equal(said.exit, code === undefined ? 0 : 1);
  }
});

test('a file that is not there or not a certificate is said to be so', async () => {
  assert.equal((await verify(['none.trust'])).code, 'not_found');
  assert.equal((await verify(['-'], 'hello')).code, 'certificate_invalid');
});
