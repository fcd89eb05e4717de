import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { exists, isTest, layerOf, parse, readText, type Source, sources } from './sources.testkit.ts';

const PURE = ['base', 'wire', 'api'];

/** What each folder of src may import, besides itself. Arrows point down; siblings do not import siblings. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  wire: ['base'],
  api: ['base', 'wire'],
  core: PURE,
  runtime: ['base'],
  platform: [...PURE, 'runtime'],
  services: [...PURE, 'runtime'],
  ipc: [...PURE, 'runtime'],
  directory: [...PURE, 'runtime'],
  registry: [...PURE, 'runtime'],
  beacon: [...PURE, 'runtime', 'core'],
  dashboard: ['api'],
  sdk: [...PURE, 'runtime', 'ipc', 'services'],
  daemon: [...PURE, 'runtime', 'core', 'ipc', 'directory', 'services'],
  rendezvous: [...PURE, 'runtime', 'registry', 'beacon'],
  cli: [...PURE, 'runtime', 'sdk', 'directory', 'services'],
  sim: [
    ...PURE,
    'runtime',
    'platform',
    'core',
    'daemon',
    'registry',
    'beacon',
    'rendezvous',
    'directory',
    'sdk',
    'ipc',
    'services',
  ],
};

/**
 * Inside core: `node.ts` sees all machines, the tunnel is made of session, path and punch, the others know nobody.
 * Contracts (`types.ts`, `node-types.ts`) hold no behaviour and are open to all.
 */
const MACHINES: Readonly<Record<string, readonly string[]>> = {
  session: [],
  nat: [],
  path: ['nat'],
  punch: ['nat', 'path'],
  'port-mapping': [],
  stream: [],
  trust: [],
  relay: [],
  tunnel: ['session', 'path', 'nat', 'punch'],
};

/** Where a library may be used: one place each, so that replacing it is one change. */
const LIBRARIES: Readonly<Record<string, string>> = {
  'cli-progress': 'src/cli/',
  commander: 'src/cli/',
  zod: 'src/cli/',
  pino: 'src/platform/',
  selfsigned: 'src/registry/',
  libsql: 'src/registry/store/',
  ws: 'src/platform/',
  'fast-xml-parser': 'src/wire/',
  postgres: 'src/registry/store/',
  fastify: 'src/registry/http/',
  'prom-client': 'src/registry/http/',
  uplot: 'src/dashboard/',
};

/** Shells that need a Node module because a library does. */
const NODE_EXCEPTIONS: Readonly<Record<string, string>> = {
  'src/registry/store/embedded.ts': 'the hash of old join tokens, before there is a service',
  'src/registry/store/embedded/files.ts':
    'libsql opens a file by its path and would make it readable for everybody',
};

const product = sources('src', 'bin').filter((source) => !isTest(source.path));
const everything = sources('src', 'bin', 'lab', 'bench', 'test');

describe('imports', () => {
  it('between folders of src go only where the layers allow', () => {
    assert.deepEqual(product.flatMap(layerViolations), []);
  });

  it('inside core keep the machines apart', () => {
    assert.deepEqual(product.flatMap(machineViolations), []);
  });

  it('of Node modules, of platform and of libraries stay in their places', () => {
    assert.deepEqual(product.flatMap(outsideViolations), []);
  });

  it('end in .ts and name files that exist', () => {
    const wrong = everything.flatMap((source) =>
      source.imports
        .filter(({ target }) => target !== undefined && !(target.endsWith('.ts') && exists(target)))
        .map(({ specifier, line }) => `${source.path}:${line}: ${specifier}`),
    );
    assert.deepEqual(wrong, []);
  });

  it('of libraries are declared in package.json, and every declared dependency is used', () => {
    const { dependencies } = JSON.parse(readText('package.json')) as { dependencies: Record<string, string> };
    assert.deepEqual(Object.keys(dependencies).sort(), Object.keys(LIBRARIES).sort());
    for (const name of Object.keys(LIBRARIES)) {
      const used = product.some((source) => source.imports.some(({ specifier }) => specifier === name));
      assert.ok(used, `${name} is declared and not used`);
    }
  });

  it('agree with the project references the compiler checks', () => {
    for (const [layer, allowed] of Object.entries(LAYERS)) {
      const { references = [] } = JSON.parse(readText(`src/${layer}/tsconfig.json`)) as {
        references?: { path: string }[];
      };
      const referenced = references.map(({ path }) => path.replace('../', ''));
      assert.deepEqual(
        referenced.filter((name) => !allowed.includes(name)),
        [],
        `src/${layer}/tsconfig.json references more than the layers allow`,
      );
    }
  });

  it('that break a rule are found', () => {
    const at = (path: string, specifier: string) => parse(path, `import { x } from '${specifier}';`);
    assert.equal(layerViolations(at('src/wire/a.ts', '../core/b.ts')).length, 1);
    assert.equal(layerViolations(at('src/cli/a.ts', '../ipc/client.ts')).length, 1);
    assert.equal(layerViolations(at('src/core/a.ts', '../../test/x.ts')).length, 1);
    assert.equal(layerViolations(at('src/core/a.ts', '../wire/codec.testkit.ts')).length, 1);
    assert.equal(layerViolations(at('src/index.ts', './cli/main.ts')).length, 0);
    assert.equal(machineViolations(at('src/core/stream/a.ts', '../session/b.ts')).length, 1);
    assert.equal(machineViolations(at('src/core/stream/a.ts', '../node.ts')).length, 1);
    assert.equal(machineViolations(at('src/core/tunnel/a.ts', '../session/b.ts')).length, 0);
    assert.equal(machineViolations(at('src/core/path/a.ts', '../tunnel/types.ts')).length, 0);
    assert.equal(outsideViolations(at('src/daemon/a.ts', 'node:fs')).length, 1);
    assert.equal(outsideViolations(at('src/daemon/a.ts', '../platform/net.ts')).length, 1);
    assert.equal(outsideViolations(at('src/daemon/a.ts', 'zod')).length, 1);
    assert.equal(outsideViolations(at('src/daemon/a.ts', 'left-pad')).length, 1);
    assert.equal(outsideViolations(at('src/platform/a.ts', 'node:fs')).length, 0);
    assert.equal(outsideViolations(at('bin/a.ts', '../src/platform/index.ts')).length, 0);
  });
});

function layerViolations(source: Source): string[] {
  const layer = layerOf(source.path);
  return source.imports.flatMap(({ target, line }) => {
    if (target === undefined) return [];
    const where = `${source.path}:${line}: imports ${target}`;
    if (isTest(target) || (source.path.startsWith('src/') && !target.startsWith('src/'))) return [where];
    if (layer === undefined) return [];
    const to = layerOf(target);
    return to === layer || (to !== undefined && LAYERS[layer]!.includes(to)) ? [] : [where];
  });
}

function machineViolations(source: Source): string[] {
  const machine = /^src\/core\/([a-z-]+)\//.exec(source.path)?.[1];
  if (machine === undefined) return [];
  return source.imports.flatMap(({ target, line }) => {
    if (!target?.startsWith('src/core/') || target.endsWith('types.ts')) return [];
    const to = /^src\/core\/([a-z-]+)\//.exec(target)?.[1];
    const allowed = to === machine || (to !== undefined && MACHINES[machine]!.includes(to));
    return allowed ? [] : [`${source.path}:${line}: imports ${target}`];
  });
}

function outsideViolations(source: Source): string[] {
  const layer = layerOf(source.path);
  return source.imports.flatMap(({ specifier, target, line }) => {
    const where = `${source.path}:${line}: imports ${specifier}`;
    if (target !== undefined) {
      const atRoot = layer === undefined || layer === 'platform' || layer === 'sim';
      return target.startsWith('src/platform/') && !atRoot ? [where] : [];
    }
    if (specifier.startsWith('node:')) {
      const allowed =
        layer === undefined || layer === 'platform' || NODE_EXCEPTIONS[source.path] !== undefined;
      return allowed ? [] : [where];
    }
    const place = LIBRARIES[specifier];
    return place !== undefined && source.path.startsWith(place) ? [] : [where];
  });
}
