import { utf8 } from '../../base/bytes.ts';
import type { Crypto } from '../../base/crypto.ts';
import type { FindOperator, HttpScope } from './access.ts';

const SCOPES: readonly HttpScope[] = ['metrics:read', 'networks:read', 'nodes:read'];

/** Knows the one token of the operator, which is good for everything; "" is nobody's. */
export function operatorByToken(expected: string, crypto: Crypto): FindOperator {
  return async (given) => {
    if (expected === '' || given === '') return undefined;
    // Hashes have equal length, so comparing them says nothing about how much of the token was right.
    const a = crypto.sha256(utf8(expected));
    const b = crypto.sha256(utf8(given));
    let difference = 0;
    for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
    return difference === 0 ? { name: 'operator', scopes: new Set(SCOPES), networks: [] } : undefined;
  };
}
