import { defineCommand } from '../../command.ts';
import { formatFields } from '../../text.ts';

export const rotateKey = defineCommand({
  name: 'rotate-key',
  group: 'Identity',
  summary: 'Replace the identity key of this node',
  details:
    'The old key signs the new one: address, hostname and trust stay, and peers follow by themselves. Make a new backup afterwards.',
  timeout: '30s',
  returns: '{node_id, address, public_key, fingerprint, former_fingerprint, epoch}',
  examples: [{ line: 'pilotctl rotate-key', about: 'The key may have been seen by somebody' }],
  async run(context) {
    const client = await context.client();
    const data = await client.identity.rotateKey(context.signal);
    return {
      data,
      human: formatFields([
        ['Fingerprint', data.fingerprint],
        ['Before', data.former_fingerprint],
        ['Rotations', String(data.epoch)],
        ['Address', `${data.address} (as before)`],
      ]),
    };
  },
});
