/** What applications import. The daemon does the work; this talks to it over its local socket. */
export * from '../api/errors.ts';
export type { Conn, Listener } from '../api/stream.ts';
export type { DatagramSent } from '../ipc/backend.ts';
export type { Datagram, DialOptions } from '../ipc/client.ts';
export type * from '../ipc/methods.ts';
export type { FileSent, Progress } from '../services/data-exchange/client.ts';
export { type FileSource, memorySource } from '../services/data-exchange/file-source.ts';
export type { MessageType } from '../services/data-exchange/message-sender.ts';
export type { MessageServerLimits, ServedEvent } from '../services/data-exchange/message-server.ts';
export type { BenchOptions, BenchResult } from './bench.ts';
export { type ConnectOptions, PilotClient, type SendOptions } from './client.ts';
export { type FoundService, IdentityClient } from './identity.ts';
export {
  type HandlerReply,
  type IncomingMessage,
  type MessageHandler,
  MessageService,
  type ServiceOptions,
} from './message-service.ts';
export type { AskOptions, AskReceipt, Message, MessageReceipt, Reply } from './messages.ts';
export { NetworkClient, type PageOptions } from './networks.ts';
export type { PingOptions, PingResult, PingSummary } from './ping.ts';
export { type HandshakeOptions, TrustClient } from './trust.ts';
export {
  revocationsFile,
  type VerifiedTrust,
  type VerifyTrustOptions,
  verifyTrust,
} from './trust-documents.ts';
