import type { Command } from './command.ts';
import { contextCommand } from './commands/about/context.ts';
import { version } from './commands/about/version.ts';
import { ask } from './commands/agents/ask.ts';
import { agentServe } from './commands/agents/serve.ts';
import { daemonLogs } from './commands/daemon/logs.ts';
import { daemonRestart } from './commands/daemon/restart.ts';
import { daemonStart } from './commands/daemon/start.ts';
import { daemonStatus } from './commands/daemon/status.ts';
import { daemonStop } from './commands/daemon/stop.ts';
import { bench } from './commands/diagnostics/bench.ts';
import { connections } from './commands/diagnostics/connections.ts';
import { disconnect } from './commands/diagnostics/disconnect.ts';
import { info } from './commands/diagnostics/info.ts';
import { metrics } from './commands/diagnostics/metrics.ts';
import { netcheck } from './commands/diagnostics/netcheck.ts';
import { peers } from './commands/diagnostics/peers.ts';
import { ping } from './commands/diagnostics/ping.ts';
import { why } from './commands/diagnostics/why.ts';
import { identityBackup } from './commands/identity/backup.ts';
import { deregister } from './commands/identity/deregister.ts';
import { forgetKey } from './commands/identity/forget-key.ts';
import { identityRestore } from './commands/identity/restore.ts';
import { rotateKey } from './commands/identity/rotate-key.ts';
import { inbox } from './commands/messages/inbox.ts';
import { inboxRead } from './commands/messages/inbox-read.ts';
import { received } from './commands/messages/received.ts';
import { sendFile } from './commands/messages/send-file.ts';
import { sendMessage } from './commands/messages/send-message.ts';
import { clearHostname } from './commands/names/clear-hostname.ts';
import { clearTags } from './commands/names/clear-tags.ts';
import { find } from './commands/names/find.ts';
import { lookup } from './commands/names/lookup.ts';
import { SERVICE_COMMANDS } from './commands/names/service.ts';
import { services } from './commands/names/services.ts';
import { setHostname } from './commands/names/set-hostname.ts';
import { setPrivate } from './commands/names/set-private.ts';
import { setPublic } from './commands/names/set-public.ts';
import { setTags } from './commands/names/set-tags.ts';
import { tags } from './commands/names/tags.ts';
import { NETWORK_COMMANDS } from './commands/networks/index.ts';
import { registryBackup } from './commands/registry/backup.ts';
import { OPERATOR_COMMANDS } from './commands/registry/index.ts';
import { registryRestore } from './commands/registry/restore.ts';
import { registryExport, registryImport } from './commands/registry/transfer.ts';
import { rendezvousLogs } from './commands/rendezvous/logs.ts';
import { rendezvousStart } from './commands/rendezvous/start.ts';
import { rendezvousStatus } from './commands/rendezvous/status.ts';
import { rendezvousStop } from './commands/rendezvous/stop.ts';
import { config } from './commands/setup/config.ts';
import { init } from './commands/setup/init.ts';
import { connect } from './commands/streams/connect.ts';
import { dgram } from './commands/streams/dgram.ts';
import { listen } from './commands/streams/listen.ts';
import { recv } from './commands/streams/recv.ts';
import { send } from './commands/streams/send.ts';
import { approve } from './commands/trust/approve.ts';
import { handshake } from './commands/trust/handshake.ts';
import { pending } from './commands/trust/pending.ts';
import { reject } from './commands/trust/reject.ts';
import { trust } from './commands/trust/trust.ts';
import { trustExport } from './commands/trust/trust-export.ts';
import { trustRevocations } from './commands/trust/trust-revocations.ts';
import { trustShow } from './commands/trust/trust-show.ts';
import { trustVerify } from './commands/trust/trust-verify.ts';
import { untrust } from './commands/trust/untrust.ts';

/** Every command, in the order help and docs show them within their group. */
export const CATALOGUE: readonly Command[] = [
  init,
  config,
  daemonStart,
  daemonStop,
  daemonRestart,
  daemonStatus,
  daemonLogs,
  find,
  lookup,
  setHostname,
  clearHostname,
  setPublic,
  setPrivate,
  tags,
  setTags,
  clearTags,
  services,
  ...SERVICE_COMMANDS,
  rotateKey,
  forgetKey,
  identityBackup,
  identityRestore,
  deregister,
  handshake,
  pending,
  approve,
  reject,
  trust,
  trustShow,
  trustExport,
  trustVerify,
  trustRevocations,
  untrust,
  ...NETWORK_COMMANDS,
  sendMessage,
  inbox,
  inboxRead,
  sendFile,
  received,
  ask,
  agentServe,
  connect,
  send,
  recv,
  dgram,
  listen,
  info,
  ping,
  why,
  netcheck,
  peers,
  connections,
  disconnect,
  metrics,
  bench,
  rendezvousStart,
  rendezvousStop,
  rendezvousStatus,
  rendezvousLogs,
  registryBackup,
  registryRestore,
  registryExport,
  registryImport,
  ...OPERATOR_COMMANDS,
  contextCommand,
  version,
];
