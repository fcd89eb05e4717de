// A specialist that converts units: one process per message, the question on standard input, the answer on standard
// output. `12 km in miles`, or `/data {"value":12,"from":"km","to":"miles"}` for an answer in JSON.
const LENGTH = {
  mm: 0.001,
  cm: 0.01,
  m: 1,
  km: 1000,
  inches: 0.0254,
  feet: 0.3048,
  yards: 0.9144,
  miles: 1609.344,
};
const MASS = { g: 0.001, kg: 1, t: 1000, ounces: 0.028349523125, pounds: 0.45359237 };
const TABLES = [LENGTH, MASS];

let input = '';
for await (const chunk of process.stdin) input += chunk;
const json = /^\/data\s+(.+)$/s.exec(input.trim())?.[1];

function convert({ value, from, to }) {
  const table = TABLES.find((units) => Object.hasOwn(units, from) && Object.hasOwn(units, to));
  if (table === undefined || !Number.isFinite(value)) return undefined;
  return Number(((value * table[from]) / table[to]).toPrecision(10));
}

if (json !== undefined) {
  const question = JSON.parse(json);
  console.log(JSON.stringify({ ...question, result: convert(question) ?? null }));
} else {
  const match = /^\s*(-?\d+(?:\.\d+)?)\s*([a-z]+)\s+(?:in|to)\s+([a-z]+)\s*$/i.exec(input);
  const [from, to] = [match?.[2]?.toLowerCase(), match?.[3]?.toLowerCase()];
  const result = match === null ? undefined : convert({ value: Number(match[1]), from, to });
  console.log(
    result === undefined ? `I cannot convert that; ask me /help` : `${match[1]} ${from} = ${result} ${to}`,
  );
}
