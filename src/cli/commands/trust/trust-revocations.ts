import { utf8 } from '../../../base/bytes.ts';
import { revocationsFile } from '../../../sdk/index.ts';
import { defineCommand } from '../../command.ts';
import { plural } from '../../text.ts';
import { path, peer } from '../../values.ts';

export const trustRevocations = defineCommand({
  name: 'trust revocations',
  group: 'Trust',
  summary: 'Write the revocations known here, for `trust verify --revocations`',
  details: 'Those of this node and of its peers, each signed by who revoked. The file holds no secret.',
  args: { peer: { value: peer, summary: 'only those between this node and the peer', optional: true } },
  flags: { file: { value: path, summary: 'where to write them; - is standard output', fallback: '-' } },
  timeout: '15s',
  returns: '{count, file, revocations?}; revocations are the parsed documents with --file -',
  examples: [
    { line: 'pilotctl trust revocations --file revoked.json', about: 'What was revoked, for other machines' },
  ],
  async run(context, { args, flags }) {
    const client = await context.client();
    const texts = await client.trust.revocations(args.peer);
    const content = revocationsFile(texts);
    if (flags.file !== '-') {
      const file = context.host.absolute(flags.file);
      await context.host.files.replace(file, `${content}\n`);
      return {
        data: { count: texts.length, file },
        human: `wrote ${plural(texts.length, 'revocation')} to ${file}`,
      };
    }
    if (!context.output.json) context.output.received(utf8(`${content}\n`));
    const revocations = texts.map((each) => JSON.parse(each) as unknown);
    return { data: { count: texts.length, file: '-', revocations }, human: '' };
  },
});
