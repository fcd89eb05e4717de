import type { MessageMethods } from '../../ipc/methods.ts';
import { intParam } from '../../ipc/params.ts';
import type { Handlers } from './context.ts';

/** What programs that answer messages ask; the rest is about a client's own streams. */
export const MESSAGE_CALLS: Pick<Handlers<MessageMethods>, 'peer_name'> = {
  peer_name: ({ book }, params) =>
    Promise.resolve({ hostname: book.nameOf(intParam(params, 'node_id', 1, 0xffff_ffff)) }),
};
