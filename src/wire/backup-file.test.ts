import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { utf8 } from '../base/bytes.ts';
import { nodeCrypto } from '../platform/crypto.ts';
import { type BackupContent, decodeBackup, openBackup, sealBackup } from './backup-file.ts';
import { everyTruncationFails, neverThrows } from './codec.testkit.ts';

const crypto = nodeCrypto();
const aead = crypto.aead(new Uint8Array(32).fill(7));
const derivation = { logN: 16, r: 8, p: 1, salt: new Uint8Array(16).fill(1) };
const nonce = new Uint8Array(12).fill(2);
const content: BackupContent = {
  created: 1_700_000_000,
  node: 7,
  hostname: 'node-a',
  registries: ['127.0.0.1:9000'],
  files: { 'identity.json': '{"private_key":"…"}', 'node.json': '{}' },
};
const file = sealBackup(aead, derivation, nonce, content);

describe('backups', () => {
  it('open under the key they were sealed with, and under no other', () => {
    const sealed = decodeBackup(utf8(file));
    assert.ok(typeof sealed !== 'string');
    assert.deepEqual(sealed.derivation, derivation);
    assert.deepEqual(openBackup(aead, sealed), content);
    assert.equal(openBackup(crypto.aead(new Uint8Array(32)), sealed), undefined);
    assert.ok(!file.includes('node-a') && !file.includes('identity'), 'nothing is told in the clear');
  });

  it('do not open with anything in them changed, the cost of the passphrase included', () => {
    const bytes = utf8(file);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const damaged = bytes.slice();
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      const sealed = decodeBackup(damaged);
      // White space and escapes may change without changing what is said.
      if (typeof sealed === 'string') continue;
      const opened = openBackup(aead, sealed);
      if (opened !== undefined) assert.deepEqual(opened, content, `bit ${bit}`);
    }
    const cheaper = decodeBackup(utf8(file.replace('"log_n": 16', '"log_n": 15')));
    assert.ok(typeof cheaper !== 'string');
    assert.equal(openBackup(aead, cheaper), undefined);
  });

  it('that ask for absurd costs, or are none, are refused', () => {
    const change = (from: string, to: string) => decodeBackup(utf8(file.replace(from, to)));
    assert.equal(change('"log_n": 16', '"log_n": 40'), 'bad_member');
    assert.equal(change('"r": 8', '"r": 1000000'), 'bad_member');
    assert.equal(change('"p": 1', '"p": 0'), 'bad_member');
    assert.equal(change('scrypt', 'none'), 'bad_member');
    assert.equal(change('pilot-backup', 'other'), 'wrong_kind');
    assert.equal(decodeBackup(utf8('nope')), 'invalid_json');
  });

  it('are rejected at every truncation, and hostile bytes never throw', () => {
    const decode = (bytes: Uint8Array) => {
      const sealed = decodeBackup(bytes);
      if (typeof sealed !== 'string') openBackup(aead, sealed);
      return sealed;
    };
    everyTruncationFails(utf8(file.trimEnd()), decode);
    neverThrows(decode, [utf8(file)]);
  });
});
