import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PilotError } from '../api/errors.ts';
import type { RegistryService } from '../registry/index.ts';
import { Scene } from './directory.testkit.ts';
import type { PolledHandshakes } from './types.ts';

const LOSSY = new Set([
  'request_handshake',
  'respond_handshake',
  'revoke_trust',
  'poll_handshakes',
  'register',
]);

/** A registry that does what it is asked and then, as often as not, dies before the answer is out. */
async function dyingRegistry(
  seed: string,
): Promise<{ scene: Scene; state: { deaths: number; calm: boolean } }> {
  const scene = new Scene();
  const random = scene.world.random.fork(seed);
  const state = { deaths: 0, calm: true };
  const change = (service: RegistryService): RegistryService => {
    let isDead = false;
    return {
      ...service,
      async handle(request, context) {
        const reply = await service.handle(request, context);
        const type = String((request as { type?: unknown }).type);
        if (isDead || state.calm || !LOSSY.has(type) || random.fraction() < 0.6) return reply;
        isDead = true;
        state.deaths++;
        await scene.server!.close();
        await scene.startRegistry(change);
        return reply;
      },
    };
  };
  await scene.startRegistry(change);
  return { scene, state };
}

/** As users and daemons do: again, until it is done. */
async function insist(scene: Scene, action: () => Promise<unknown>): Promise<void> {
  for (let tries = 0; tries < 50; tries++) {
    try {
      await scene.run(action());
      return;
    } catch (error) {
      if (!(error instanceof PilotError) || error.code !== 'registry_unreachable') throw error;
    }
  }
  throw new Error('never done');
}

describe('messages kept by the registry', () => {
  for (const seed of ['one', 'two', 'three']) {
    it(`arrive once each, however many replies are lost on the way (seed ${seed})`, async () => {
      const { scene, state } = await dyingRegistry(seed);
      const target = scene.daemon('target');
      await scene.run(target.register({ public: true }));
      const senders = Array.from({ length: 8 }, (_, index) => scene.daemon(`sender-${index}`));
      for (const sender of senders) await scene.run(sender.register({ public: false }));
      state.calm = false;

      /** Polls until `count` messages of a kind were handed over, and a while longer. */
      const collect = async (
        directory: typeof target.directory,
        of: (polled: PolledHandshakes) => readonly { readonly from: number; readonly message: string }[],
        count: number,
      ): Promise<string[]> => {
        const got: string[] = [];
        for (let rest = 4, polls = 0; rest > 0; polls++) {
          assert.ok(polls < 100, `only ${got.length} of ${count} arrived`);
          await insist(scene, async () => {
            const polled = await directory.pollHandshakes();
            got.push(...of(polled).map(({ from, message }) => `${from} ${message}`));
          });
          if (got.length >= count) rest--;
        }
        return got.sort();
      };

      for (const [index, { directory }] of senders.entries()) {
        const request = { target: { node: 1 }, justification: '', message: `ask ${index}` };
        await insist(scene, () => directory.requestHandshake(request));
      }
      const asked = senders.map((_, index) => `${index + 2} ask ${index}`);
      assert.deepEqual(await collect(target.directory, ({ requests }) => requests, asked.length), asked);

      for (const index of senders.keys()) {
        const response = { peer: index + 2, accept: true, message: `yes ${index}` };
        await insist(scene, () => target.directory.respondHandshake(response));
      }
      for (const [index, { directory }] of senders.entries()) {
        assert.deepEqual(await collect(directory, ({ responses }) => responses, 1), [`1 yes ${index}`]);
        assert.equal(await scene.store.trusted(1, index + 2, 0), true);
      }

      for (const index of senders.keys())
        await insist(scene, () => target.directory.revokeTrust(index + 2, `no ${index}`));
      for (const [index, { directory }] of senders.entries()) {
        assert.deepEqual(await collect(directory, ({ revocations }) => revocations, 1), [`1 no ${index}`]);
        assert.equal(await scene.store.trusted(1, index + 2, 0), false);
      }
      assert.ok(state.deaths > 20, `${state.deaths}`);
    });
  }
});
