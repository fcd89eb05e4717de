import { meet, type Kind } from './nat-pairs.ts';
const [, , a, b, n] = process.argv;
const r = await meet(`${a} ${b} ${n ?? 0}`, a as Kind, b as Kind);
for (const l of r.world.world.logs) console.log(JSON.stringify(l).slice(0, 220));
console.log(r.acknowledged, r.direct, r.datagrams, r.sockets);
