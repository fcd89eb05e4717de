import { KINDS, type Kind, meet } from './nat-pairs.ts';
const [, , a, b, n] = process.argv;
const kinds = Object.keys(KINDS) as Kind[];
for (const x of a === 'all' ? kinds : [a as Kind]) for (const y of b === 'all' ? kinds : [b as Kind]) for (let i = 0; i < Number(n ?? 1); i++) {
  const t = Date.now();
  const r = await meet(`${x} ${y} ${i}`, x, y);
  console.log(x, y, i, 'ack', r.acknowledged, 'direct', r.direct, 'sockets', r.sockets, 'errors', JSON.stringify(r.world.world.errors.slice(0,2)), r.world.world.breakages[0]?.cause ?? '', 'cpu', Date.now() - t);
  if (process.env.FACTS) for (const m of [r.a, r.b]) console.log(JSON.stringify((m.daemon as any).paths?.(0)));
}
