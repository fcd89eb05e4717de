import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPlace } from './place.ts';

test('takes the schema out of the URL and shows no password', () => {
  const place = readPlace('postgres://me:s%40cret@db.example:6432/pilot_db?sslmode=require&schema=other');
  assert.equal(place.url, 'postgres://me:s%40cret@db.example:6432/pilot_db?sslmode=require');
  assert.equal(place.schema, 'other');
  assert.equal(place.name, 'db.example:6432/pilot_db (schema other)');
  assert.equal(readPlace('postgresql://h/d').schema, 'pilot');
});

test('refuses what is no place, without repeating it', () => {
  for (const text of [
    'postgres://',
    'http://me:secret@host/db',
    'postgres://me:secret@host',
    'nonsense secret',
    'postgres:///secret',
  ]) {
    assert.throws(
      () => readPlace(text),
      (error: { code: string; message: string }) =>
        error.code === 'invalid_argument' && !error.message.includes('secret'),
    );
  }
  for (const schema of ['', 'A', 'x;drop', 'x"y', '1x', 'x'.repeat(60)]) {
    assert.throws(() => readPlace(`postgres://h/d?schema=${encodeURIComponent(schema)}`), {
      code: 'invalid_argument',
    });
  }
});
