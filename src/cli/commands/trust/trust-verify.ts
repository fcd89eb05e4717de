import { PilotError } from '../../../api/errors.ts';
import { fromUtf8Strict } from '../../../base/bytes.ts';
import { type VerifiedTrust, verifyTrust } from '../../../sdk/index.ts';
import { parseAddress } from '../../../wire/address.ts';
import { parseFingerprint } from '../../../wire/fingerprint.ts';
import { BUNDLE_LIMIT, REVOCATIONS_LIMIT } from '../../../wire/trust-bundle.ts';
import { defineCommand } from '../../command.ts';
import type { Context } from '../../context.ts';
import { describeEnd, describeGrant, portList } from '../../terms.ts';
import { formatFields, printable } from '../../text.ts';
import { path, type Value } from '../../values.ts';

const nodeId: Value<number> = {
  label: 'node',
  parse(input) {
    const parsed = parseAddress(input);
    const node = typeof parsed === 'string' ? (/^\d{1,10}$/.test(input) ? Number(input) : 0) : parsed.node;
    if (node < 1 || node >= 0xffff_ffff) throw new RangeError('expected a node id or an address');
    return node;
  },
};

/** `7=abcd…`, several with commas. */
const knownKeys: Value<ReadonlyMap<number, string>> = {
  label: 'node=fingerprint',
  parse(input) {
    const known = new Map<number, string>();
    for (const part of input.split(',')) {
      const equals = part.indexOf('=');
      const fingerprint = parseFingerprint(part.slice(equals + 1).trim());
      if (equals < 1 || fingerprint === undefined) {
        throw new RangeError('expected NODE=FINGERPRINT, several with commas');
      }
      known.set(nodeId.parse(part.slice(0, equals).trim()), fingerprint);
    }
    return known;
  },
};

const time: Value<number> = {
  label: 'time',
  parse(input) {
    if (/^\d{1,12}$/.test(input)) return Number(input);
    const isDate = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:\d{2}))?$/.test(input);
    const millis = isDate ? Date.parse(input) : Number.NaN;
    if (Number.isNaN(millis)) {
      throw new RangeError('expected a time such as 2027-01-31T12:00:00Z, or unix seconds');
    }
    return Math.floor(millis / 1000);
  },
};

export const trustVerify = defineCommand({
  name: 'trust verify',
  group: 'Trust',
  summary: 'Check an exported certificate, without daemon or network',
  details:
    'Checks both signatures, dates, and revocations where they are given. That the keys are those of the right nodes ' +
    'only you can know: compare the fingerprints, or give them with --key. Refused with certificate_invalid, ' +
    'certificate_expired, certificate_revoked or scope_denied.',
  args: { file: { value: path, summary: 'written by `pilotctl trust export`; - is standard input' } },
  flags: {
    revocations: { value: path, summary: 'file of `pilotctl trust revocations`' },
    port: { value: portList, summary: 'must be granted' },
    ports: { value: portList, summary: 'the same, for several' },
    from: { value: nodeId, summary: 'who connects; else ports must be granted both ways' },
    at: { value: time, summary: 'the time to check for instead of now' },
    key: { value: knownKeys, summary: 'fingerprint a party must have; several with commas' },
  },
  timeout: '30s',
  returns:
    '{valid: true, serial, a: {node_id, fingerprint, offers}, b: {…}, not_before, not_after?, reason, at, ports?}',
  examples: [
    { line: 'pilotctl trust verify node-b.trust', about: 'Is it in order?' },
    {
      line: 'pilotctl trust verify node-b.trust --revocations revoked.json --from 7 --port 1001',
      about: 'May node 7 send messages to the other side?',
    },
    { line: 'pilotctl trust verify node-b.trust --key 7=k3q5x2v7m4n6p2r3', about: 'Is it node 7, really?' },
  ],
  async run(context, { args, flags }) {
    if (flags.port !== undefined && flags.ports !== undefined) {
      throw new PilotError('invalid_argument', 'Both --port and --ports are given', {
        hint: 'use one: --ports 80,1001',
      });
    }
    const text = await readDocument(context, args.file, BUNDLE_LIMIT + 1);
    const ports = flags.ports ?? flags.port;
    const at = flags.at ?? Math.floor(context.host.clock.wallNow() / 1000);
    const verified = verifyTrust({
      crypto: context.host.crypto,
      text,
      at,
      ...(flags.revocations !== undefined && {
        revocations: [await readDocument(context, flags.revocations, REVOCATIONS_LIMIT + 1)],
      }),
      ...(flags.key && { fingerprints: flags.key }),
      ...(ports !== undefined && { ports }),
      ...(flags.from !== undefined && { from: flags.from }),
    });
    const data = { valid: true, ...verified, at, ...(ports !== undefined && { ports }) };
    return { data, human: describe(verified, context, flags.revocations === undefined) };
  },
});

function describe(verified: VerifiedTrust, { host }: Context, noRevocations: boolean): string {
  const { a, b, reason, serial, not_before, not_after } = verified;
  const time = (seconds: number): string => host.localTime(seconds * 1000);
  return formatFields([
    ['Certificate', 'valid, signed by both'],
    [`Node ${a.node_id}`, `key ${a.fingerprint}, node ${b.node_id} may reach: ${describeGrant(a.offers)}`],
    [`Node ${b.node_id}`, `key ${b.fingerprint}, node ${a.node_id} may reach: ${describeGrant(b.offers)}`],
    ['From', time(not_before)],
    [
      'Expires',
      not_after === undefined
        ? 'never'
        : `${time(not_after)}, ${describeEnd(not_after, host.clock.wallNow())}`,
    ],
    ['Reason', reason === '' ? undefined : printable(reason)],
    ['Serial', String(serial)],
    ['Revocations', noRevocations ? 'none given: it may have been revoked since' : 'checked'],
  ]);
}

async function readDocument({ host }: Context, file: string, limit: number): Promise<string> {
  const bytes =
    file === '-' ? await host.stdin.readAll(limit) : await host.files.read(host.absolute(file), limit);
  if (bytes === undefined) {
    throw new PilotError('not_found', `There is no file ${file}`, {
      hint: 'write one with: pilotctl trust export PEER --file FILE',
    });
  }
  const text = fromUtf8Strict(bytes);
  if (text === undefined) {
    throw new PilotError('certificate_invalid', `Refused the certificate: ${file} is not text`);
  }
  return text;
}
