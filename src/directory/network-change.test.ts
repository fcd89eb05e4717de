import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Scene } from './directory.testkit.ts';

/** Simulated ms until the directory of the only daemon is connected. */
async function untilConnected(scene: Scene, directory: { readonly state: string }): Promise<number> {
  const from = scene.world.now;
  while (directory.state !== 'connected') await scene.world.runFor(10);
  return scene.world.now - from;
}

describe('after a change of networks the registry', () => {
  it('is connected to anew at once when the address of the connection is gone', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register, host } = scene.daemon('a');
    await scene.run(register());
    host.moveTo(scene.world.internet);
    directory.networkChanged();
    await scene.world.runFor(1);
    assert.equal(directory.state, 'disconnected');
    assert.ok((await untilConnected(scene, directory)) < 200);
    assert.equal((await scene.run(register())).node, 1);
  });

  it('has two seconds to answer when the address stayed and the way may be another', async () => {
    const scene = new Scene();
    const registry = await scene.startStuckRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    registry.stuck = true;
    directory.networkChanged();
    await scene.world.runFor(1_900);
    assert.equal(directory.state, 'connected');
    registry.stuck = false;
    await scene.world.runFor(500);
    assert.deepEqual(scene.states, ['a:connected', 'a:disconnected', 'a:connected']);
  });

  it('keeps its connection when it answers', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, register } = scene.daemon('a');
    await scene.run(register());
    for (let i = 0; i < 5; i++) {
      directory.networkChanged();
      directory.check();
      await scene.world.runFor(1_000);
    }
    await scene.world.runFor(5_000);
    assert.deepEqual(scene.states, ['a:connected']);
  });

  it('is not waited for: the pause between attempts ends, and an attempt over the old network is dropped', async () => {
    const scene = new Scene();
    const { directory } = scene.daemon('a');
    directory.start();
    await scene.world.runFor(120_000);
    assert.equal(directory.state, 'disconnected');
    await scene.startRegistry();
    directory.networkChanged();
    assert.ok((await untilConnected(scene, directory)) < 200);
  });

  it('that was being connected to is tried again over the new network', async () => {
    const scene = new Scene();
    await scene.startRegistry();
    const { directory, host } = scene.daemon('a');
    // Nothing answers: the connection attempt would wait for five seconds.
    scene.registryHost.powered = false;
    directory.start();
    await scene.world.runFor(1_000);
    scene.registryHost.powered = true;
    host.moveTo(scene.world.internet);
    directory.networkChanged();
    assert.ok((await untilConnected(scene, directory)) < 200);
  });
});
