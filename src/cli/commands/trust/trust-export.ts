import { utf8 } from '../../../base/bytes.ts';
import { defineCommand } from '../../command.ts';
import { path, peer } from '../../values.ts';

export const trustExport = defineCommand({
  name: 'trust export',
  group: 'Trust',
  summary: 'Write the certificate of a trust, for anyone to check',
  details:
    'The file proves to anybody, without a network, what both sides signed: keys, ports, dates. It holds no secret. ' +
    'Check it with `pilotctl trust verify`.',
  args: { peer: { value: peer, summary: 'hostname, address or node id' } },
  flags: { file: { value: path, summary: 'where to write it; - is standard output', fallback: '-' } },
  timeout: '15s',
  returns: '{node_id, serial, file, bundle?}; bundle is the parsed document with --file -',
  examples: [
    { line: 'pilotctl trust export node-b --file node-b.trust', about: 'Keep the proof in a file' },
    { line: 'pilotctl trust export node-b > node-b.trust', about: 'The same' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const { node_id, serial, bundle } = await client.trust.export(args.peer);
    if (flags.file !== '-') {
      const file = context.host.absolute(flags.file);
      await context.host.files.replace(file, `${bundle}\n`);
      return {
        data: { node_id, serial, file },
        human: `wrote the certificate with node ${node_id} (serial ${serial}) to ${file}\ncheck it with: pilotctl trust verify ${flags.file}`,
      };
    }
    if (!context.output.json) context.output.received(utf8(`${bundle}\n`));
    return { data: { node_id, serial, file: '-', bundle: JSON.parse(bundle) as unknown }, human: '' };
  },
});
