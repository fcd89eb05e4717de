import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { nodeRandom } from '../../platform/random.ts';
import { IN_USE, LOSS_WINDOW, MEASURE, PATH_DEFAULTS, type PathConfig } from './constants.ts';
import type { Path } from './path.ts';
import { type PathChange, Paths } from './paths.ts';
import { Quality } from './quality.ts';

const endpoint = (n: number): { host: string; port: number } => ({ host: `192.0.2.${n}`, port: 4000 });

test('loss counts the last probes only, and is unknown before there were some', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { maxLength: 60 }), (answers) => {
      const quality = new Quality();
      for (const answer of answers) answer ? quality.answered(20) : quality.missed();
      const last = answers.slice(-LOSS_WINDOW);
      const lost = last.filter((answer) => !answer).length;
      assert.equal(quality.loss, last.length < 4 ? undefined : lost / last.length);
    }),
  );
});

test('one slow answer does not decide what a path is worth', () => {
  const quality = new Quality();
  for (let i = 0; i < 8; i++) quality.answered(20);
  quality.answered(500);
  assert.ok(quality.rtt! < 150);
  for (let i = 0; i < 20; i++) quality.answered(500);
  assert.ok(quality.rtt! > 450);
});

test('a path that dies in use is left within a second and a half, for one that answers meanwhile', () => {
  const { paths, simulate } = scene();
  const direct = paths.add('direct', endpoint(1), 'registered', 0)!;
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  paths.setOurs(true);
  simulate({ until: 5_000, answers: () => 30 });
  assert.equal(paths.selected, direct);
  const changes = simulate({ until: 10_000, answers: (path) => (path === relay ? 30 : undefined) });
  const [first] = changes;
  assert.equal(first?.change.path, relay);
  assert.equal(first?.change.reason, 'no_answer');
  assert.ok(first!.at - 5_000 <= 1_500, `left after ${first!.at - 5_000} ms`);
  assert.equal(changes.length, 1);
});

test('who only receives notices the end of a path as well', () => {
  const { paths, simulate } = scene();
  paths.add('direct', endpoint(1), 'registered', 0);
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  simulate({ until: 5_000, answers: () => 30 });
  const changes = simulate({
    until: 10_000,
    sends: false,
    answers: (path) => (path === relay ? 30 : undefined),
  });
  assert.equal(changes[0]?.change.path, relay);
  assert.ok(changes[0]!.at - 5_000 <= 2_500, `left after ${changes[0]!.at - 5_000} ms`);
});

test('a path that let us down is taken back after several answers, not after one', () => {
  const { paths, simulate } = scene();
  const direct = paths.add('direct', endpoint(1), 'registered', 0)!;
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  simulate({ until: 5_000, answers: () => 30 });
  simulate({ until: 8_000, answers: (path) => (path === relay ? 30 : undefined) });
  assert.equal(paths.selected, relay);
  direct.heard(8_000);
  assert.equal(paths.answered(direct, 30, 8_000), undefined);
  const changes = simulate({ until: 12_000, answers: () => 30 });
  assert.equal(changes[0]?.change.path, direct);
  assert.ok(changes[0]!.at - 8_000 < 1_500);
});

test('a direct path that loses much gives way to a relay that does not, and the choice does not swing', () => {
  const { paths, simulate } = scene();
  paths.add('direct', endpoint(1), 'registered', 0);
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  paths.setOurs(true);
  simulate({ until: 60_000, answers: () => 30 });
  let asked = 0;
  const lossy = (path: Path): number | undefined => (path === relay || asked++ % 5 < 3 ? 30 : undefined);
  simulate({ until: 300_000, answers: lossy, heard: (path) => path === relay });
  const changes = simulate({ until: 600_000, answers: lossy, heard: (path) => path === relay });
  assert.equal(paths.selected, relay);
  assert.ok(changes.length <= 20, `${changes.length} changes in five minutes`);
});

test('a spare path is asked while data moves, and only then', () => {
  const { paths, simulate, probed } = scene();
  paths.add('direct', endpoint(1), 'registered', 0);
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  paths.setOurs(true);
  simulate({ until: 60_000, answers: () => 30 });
  const warm = probed.filter(({ path, at }) => path === relay && at > 10_000);
  assert.ok(warm.length >= 40_000 / MEASURE && warm.length <= 60_000 / MEASURE, `${warm.length} probes`);
  simulate({ until: 60_000 + IN_USE + MEASURE, uses: false, answers: () => 30 });
  const before = probed.length;
  simulate({ until: 600_000, uses: false, answers: () => 30 });
  assert.ok(probed.slice(before).every(({ path }) => path !== relay));
});

test('an old peer is never asked over a spare relay: it would stay with it', () => {
  const { paths, simulate, probed } = scene();
  const direct = paths.add('direct', endpoint(1), 'registered', 0)!;
  paths.answered(direct, 30, 0);
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  const before = (): number => probed.filter(({ path }) => path === relay).length;
  simulate({ until: 5_000, answers: () => 30 });
  const burst = before();
  simulate({ until: 120_000, answers: () => 30 });
  assert.equal(before(), burst);
});

test('an idle direct path is kept open by packets that ask for nothing, for some minutes', () => {
  const keepAlive = 20_000;
  const { paths, simulate, probed, kept } = scene({ keepAlive });
  paths.add('direct', endpoint(1), 'registered', 0);
  simulate({ until: 1_000, answers: () => 30 });
  simulate({ until: 40_000, uses: false, answers: () => 30 });
  const [asked, opened] = [probed.length, kept.length];
  simulate({ until: 240_000, uses: false, answers: () => undefined });
  assert.equal(probed.length, asked);
  const packets = kept.length - opened;
  assert.ok(packets >= 200_000 / keepAlive && packets <= 200_000 / (0.7 * keepAlive), `${packets} packets`);
  simulate({ until: PATH_DEFAULTS.idleAfter + 30_000, uses: false, answers: () => undefined });
  const last = kept.length;
  simulate({ until: 3_600_000, uses: false, answers: () => undefined });
  assert.equal(kept.length, last);
  assert.equal(paths.nextTimeout(), Number.POSITIVE_INFINITY);
});

test('a direct path that was idle for long gets copies by its side until it answers', () => {
  const { paths, simulate } = scene();
  const direct = paths.add('direct', endpoint(1), 'registered', 0)!;
  const relay = paths.add('relay', endpoint(2), 'beacon', 0)!;
  paths.setOurs(true);
  simulate({ until: 1_000, answers: () => 30 });
  simulate({ until: 400_000, uses: false, answers: () => 30 });
  assert.equal(paths.selected, direct);
  assert.equal(paths.use(400_000), undefined);
  assert.deepEqual(new Set(paths.likeliest()), new Set([direct, relay]));
  paths.answered(direct, 30, 400_030);
  assert.equal(paths.use(400_031), direct);
});

interface Weather {
  readonly until: number;
  /** Round trip of a probe on this path; undefined loses it. */
  readonly answers: (path: Path) => number | undefined;
  /** Whether data of the peer is heard on the selected path. @default as probes are answered */
  readonly heard?: (path: Path) => boolean;
  readonly sends?: boolean;
  readonly uses?: boolean;
  readonly each?: (now: number) => void;
}

/** Runs the timers of a set of paths against a peer that answers, or does not. */
function scene(config: Partial<PathConfig> = {}): {
  paths: Paths;
  probed: { path: Path; at: number }[];
  kept: Path[];
  simulate: (weather: Weather) => { at: number; change: PathChange }[];
} {
  const paths = new Paths({ config: { ...PATH_DEFAULTS, ...config }, random: nodeRandom() });
  const probed: { path: Path; at: number }[] = [];
  const kept: Path[] = [];
  let answers: { at: number; path: Path; rtt: number }[] = [];
  let now = 0;
  const simulate = (weather: Weather): { at: number; change: PathChange }[] => {
    const changes: { at: number; change: PathChange }[] = [];
    const note = (change: PathChange | undefined): void => {
      if (change !== undefined) changes.push({ at: now, change });
    };
    const { sends = true, uses = true } = weather;
    for (; now < weather.until; now += 10) {
      weather.each?.(now);
      for (const answer of answers.filter(({ at }) => at <= now)) {
        answer.path.heard(now);
        note(paths.answered(answer.path, answer.rtt, now));
      }
      answers = answers.filter(({ at }) => at > now);
      if (uses && now % 100 === 0) {
        const path = paths.selected;
        if (sends) paths.use(now);
        if (path !== undefined && (weather.heard?.(path) ?? weather.answers(path) !== undefined)) {
          path.heard(now);
          paths.used(now);
        }
      }
      const work = paths.work(now);
      note(work.change);
      if (work.keepOpen !== undefined) kept.push(work.keepOpen);
      for (const path of work.probe) {
        path.probed(now);
        probed.push({ path, at: now });
        const rtt = weather.answers(path);
        if (rtt !== undefined) answers.push({ at: now + rtt, path, rtt });
      }
    }
    return changes;
  };
  return { paths, probed, kept, simulate };
}
