import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bigFile } from './big-file.ts';

for (const relay of [false, true]) {
  test(`a file ${relay ? 'through the relay' : 'on the direct path'} survives the death of everyone who carries it`, async () => {
    const result = await bigFile({ megabytes: 12, relay });
    assert.match(result.sha256, /^[0-9a-f]{64}$/);
  });
}
