/** Two nodes that renew, revoke and re-sign their certificate, and rotate keys, at a registry that is killed. */
import assert from 'node:assert/strict';
import { encodeBase64 } from '../../src/wire/base64.ts';
import { encodeKeyRotation, signKeyRotation } from '../../src/wire/key-rotation.ts';
import { encodeTrustCertificate, signTrustCertificate } from '../../src/wire/trust-certificate.ts';
import { encodeTrustRevocation, signTrustRevocation } from '../../src/wire/trust-revocation.ts';
import { RawClient } from './registry-client.testkit.ts';
import { newKey, untilGone, type Worker } from './registry-workers.testkit.ts';

/** One change, and what is true once it is made. */
interface Change {
  readonly expected: State;
  make(): Promise<unknown>;
}

interface State {
  /** Text of the certificate in force; empty when there is none. */
  readonly certificate: string;
  /** Highest serial that a revocation covers. */
  readonly revoked: number;
  readonly epoch: number;
}

export function bond(name: string): Worker {
  let firstKey = newKey();
  let renewedKey = firstKey;
  const secondKey = newKey();
  let [first, second] = [undefined as unknown as RawClient, undefined as unknown as RawClient];
  let state: State = { certificate: '', revoked: 0, epoch: 0 };
  let underWay: Change | undefined;
  let serial = 0;
  let turn = 0;
  let port = 0;
  let node = 0;

  function certify(): Change {
    const swap = first.node > second.node;
    const keys = swap ? [secondKey, firstKey] : [firstKey, secondKey];
    const nodes = swap ? [second.node, first.node] : [first.node, second.node];
    const party = (index: 0 | 1) => ({
      node: nodes[index]!,
      key: keys[index]!.publicKey,
      offers: { ports: '*' },
    });
    const notBefore = Math.floor(Date.now() / 1000);
    const unsigned = { serial: ++serial, a: party(0), b: party(1), notBefore, reason: name };
    const half = signTrustCertificate(keys[0]!, nodes[0]!, unsigned);
    const certificate = encodeTrustCertificate(signTrustCertificate(keys[1]!, nodes[1]!, half));
    return {
      expected: { ...state, certificate },
      make: () =>
        second.signed({ type: 'report_trust', node_id: second.node, peer_id: first.node, certificate }),
    };
  }
  function revoke(): Change {
    const members = { node: second.node, peer: first.node, serial, at: 1, reason: name };
    const revocation = encodeTrustRevocation(signTrustRevocation(secondKey, members));
    return {
      expected: { ...state, certificate: '', revoked: serial },
      make: () =>
        second.signed({ type: 'revoke_trust', node_id: second.node, peer_id: first.node, revocation }),
    };
  }
  function rotate(): Change {
    renewedKey = newKey();
    const about = { node: first.node, epoch: state.epoch + 1, at: 1 };
    const rotation = encodeKeyRotation(signKeyRotation(firstKey, renewedKey, about));
    return {
      expected: { ...state, epoch: state.epoch + 1 },
      make: () =>
        first.signed({
          type: 'rotate_key',
          node_id: first.node,
          new_public_key: encodeBase64(renewedKey.publicKey),
          rotation,
        }),
    };
  }

  /** Connects the first node under whichever key the registry knows. */
  async function connectFirst(): Promise<void> {
    first = await RawClient.connect(port, firstKey);
    if (renewedKey === firstKey) {
      await first.register();
      return;
    }
    const registered = await first.register().catch((error: unknown) => error);
    if (!(registered instanceof Error)) {
      renewedKey = firstKey;
      return;
    }
    assert.match(registered.message, /replaced by a rotation/, name);
    first.close();
    firstKey = renewedKey;
    first = await RawClient.connect(port, firstKey);
    await first.register();
  }

  async function found(): Promise<State> {
    const kept = await second.signed({
      type: 'trust_certificate',
      node_id: second.node,
      peer_id: first.node,
    });
    const looked = await first.send({ type: 'lookup', node_id: first.node });
    const certificate = String(kept.certificate ?? '');
    assert.equal(kept.trusted, certificate !== '', name);
    const revocation = JSON.parse(String(kept.revocation ?? '{"serial":0}')) as { serial: number };
    assert.equal((looked.rotations as unknown[]).length, Math.min(64, Number(looked.epoch)), name);
    return { certificate, revoked: revocation.serial, epoch: Number(looked.epoch) };
  }

  return {
    async begin(newPort) {
      port = newPort;
      await connectFirst();
      if (node !== 0) assert.equal(first.node, node, `${name}: another node`);
      node = first.node;
      second = await RawClient.connect(port, secondKey);
      await second.register();
      const now = await found();
      const possible = underWay === undefined ? [state] : [state, underWay.expected];
      assert.ok(
        possible.some((one) => JSON.stringify(one) === JSON.stringify(now)),
        `${name}: found ${JSON.stringify(now)}, expected one of ${JSON.stringify(possible)}`,
      );
      state = now;
      underWay = undefined;
    },
    run: (tally) =>
      untilGone(async () => {
        // Few rotations: each makes a row that stays for ever.
        turn++;
        const revokes = turn % 3 === 0 && state.certificate !== '';
        underWay = turn % 20 === 0 ? rotate() : revokes ? revoke() : certify();
        await underWay.make().catch((error: unknown) => {
          tally.unknown++;
          throw error;
        });
        state = underWay.expected;
        underWay = undefined;
        tally.trust++;
        if (renewedKey === firstKey) return;
        firstKey = renewedKey;
        first.close();
        await connectFirst();
      }),
  };
}
