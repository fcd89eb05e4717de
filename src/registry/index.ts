/** The registry: who is who, where, and who trusts whom. Sockets and files come through ports. */
export { DEFAULT_CONFIG, type RegistryConfig } from './config.ts';
export { ConnectionState } from './connection.ts';
export { RegistryServer, type RegistryServerOptions, type ServerStats } from './server.ts';
export type { ServerLimits } from './server-limits.ts';
export { LOCAL_OPERATOR, type Operator } from './service/operators/operator.ts';
export {
  createRegistryService,
  type OperatedRegistry,
  type RegistryService,
  type RegistryServiceOptions,
} from './service/service.ts';
export { type EmbeddedStoreOptions, type FileHolder, openEmbeddedStore } from './store/embedded.ts';
export { memoryStore } from './store/memory.ts';
export { readPlace } from './store/postgres/place.ts';
export { openPostgresStore, type PostgresStore } from './store/postgres.ts';
export type { Store } from './store/store.ts';
export { persistedCertificate, type ServerCertificate, sharedCertificate } from './tls-certificate.ts';
export { WebhookRunner, type WebhookRunnerOptions } from './webhooks/runner.ts';
