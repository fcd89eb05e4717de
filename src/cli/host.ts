/**
 * What the command line needs from the machine it runs on, beyond the ports of runtime/. `bin/` implements it
 * over Node; tests implement it in memory. Nothing else in this folder touches the operating system.
 */
import type { Acceleration, AcceleratorSetting } from '../api/acceleration.ts';
import type { Crypto } from '../base/crypto.ts';
import type { Random } from '../base/random.ts';
import type { Endpoint, Millis, UnixMillis } from '../base/units.ts';
import type { Abort, Clock, ConnectOptions, Net, Storage } from '../runtime/ports.ts';
import type { NetcheckReport } from '../sdk/index.ts';

export interface Sink {
  readonly isTerminal: boolean;
  /** Width of the terminal in characters; 80 when it is none. */
  readonly columns: number;
  write(data: string | Uint8Array): void;
}

export interface Source {
  readonly isTerminal: boolean;
  /** Everything up to the end. Errors: `too_large` beyond `limit` bytes. */
  readAll(limit: number): Promise<Uint8Array>;
  /** As it arrives. */
  chunks(): AsyncIterable<Uint8Array>;
}

export interface FileInfo {
  readonly kind: 'file' | 'directory' | 'other';
  readonly bytes: number;
  readonly modified: UnixMillis;
  readonly owner: number;
  /** Permission bits. */
  readonly mode: number;
}

/** A file opened for reading at any offset. */
export interface ReadableFile {
  readonly name: string;
  readonly size: number;
  /** Up to `length` bytes from `at`; shorter only at the end of the file. */
  read(at: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface Files {
  /** undefined when nothing is there. Errors: `io_error`. */
  info(path: string): Promise<FileInfo | undefined>;
  /** undefined when absent. Errors: `io_error`, `permission_denied`, `too_large`. */
  read(path: string, limit: number): Promise<Uint8Array | undefined>;
  /** Atomic, mode 0600; creates missing directories 0700. */
  replace(path: string, data: string): Promise<void>;
  /** False when the file exists already. Never follows a link. Mode 0600; 0644 with `readable: 'everyone'`. */
  create(path: string, data: string, readable?: 'everyone'): Promise<boolean>;
  /** False when `from` was not there. */
  rename(from: string, to: string): Promise<boolean>;
  remove(path: string): Promise<void>;
  list(directory: string): Promise<string[]>;
  /** Creates a directory that every user of the machine may add files to but only remove their own from. */
  shareDirectory(path: string): Promise<void>;
  open(path: string): Promise<ReadableFile>;
}

export type Program = 'daemon' | 'rendezvous';
export type StopSignal = 'SIGTERM' | 'SIGKILL' | 'SIGUSR2';

/** What a background program tells the process that started it, over a private channel. `failed` is an error envelope. */
export type StartReport =
  | { readonly type: 'progress'; readonly text: string }
  | { readonly type: 'ready'; readonly facts: Readonly<Record<string, unknown>> }
  | { readonly type: 'failed'; readonly code: string; readonly message: string; readonly hint: string };

export interface Launched {
  readonly pid: number;
  /** Reports in order; undefined once the program has ended or closed the channel. */
  next(): Promise<StartReport | undefined>;
  /** How it ended, when it did. */
  readonly ending: () => string | undefined;
  /** Lets the program go on without us. */
  release(): void;
}

export interface Processes {
  readonly pid: number;
  readonly user: number;
  /**
   * A text that tells this process from any other that ever has the same pid (boot and start time);
   * undefined when no such process lives.
   */
  stamp(pid: number): Promise<string | undefined>;
  /** False when there is no such process. Errors: `permission_denied`. */
  signal(pid: number, signal: StopSignal): boolean;
  /** Starts a program of ours in its own session; `settings` travel over a private channel, never on the command line. */
  launch(program: Program, settings: unknown, logFile: string): Promise<Launched>;
  /** Runs the program in this process until it is told to stop. Errors: what the program fails with. */
  runHere(program: Program, settings: unknown, onReport: (report: StartReport) => void): Promise<void>;
}

/** What a program that answered a message came to. */
export interface Ran {
  /** Exit status, or the name of the signal that ended it. */
  readonly ending: number | string;
  readonly output: Uint8Array;
}

/** A program that lives as long as the command, and is spoken to in lines. */
export interface LineProgram {
  write(line: string): void;
  /** Next line of its output; undefined once it has ended or written a longer one than allowed. */
  nextLine(): Promise<string | undefined>;
  /** Ends it and whatever it has started. */
  stop(): void;
}

/** Programs and HTTP servers that answer messages. */
export interface Answerers {
  /**
   * Runs a shell command with `input` as its standard input; the signal ends it and whatever it has started.
   * Errors: `too_large` when it writes more than `limit` bytes, `cancelled`, `io_error`.
   */
  run(
    command: string,
    options: {
      readonly env: Readonly<Record<string, string>>;
      readonly input: Uint8Array;
      readonly limit: number;
      readonly signal: Abort;
    },
  ): Promise<Ran>;
  start(command: string, lineLimit: number): LineProgram;
  /** Follows no redirects. Errors: `too_large`, `connection_failed`, `cancelled`. */
  post(
    url: string,
    options: {
      readonly headers: Readonly<Record<string, string>>;
      readonly body: Uint8Array;
      readonly limit: number;
      readonly signal: Abort;
    },
  ): Promise<{ readonly status: number; readonly contentType: string; readonly body: Uint8Array }>;
}

/** Where a store is: a directory, or a database with its password. */
export interface StorePlace {
  readonly directory: string;
  readonly database: string | undefined;
}

export interface TransferFacts {
  /** Of each table. */
  readonly rows: Readonly<Record<string, number>>;
  /** Of all rows in whatever order, hex. */
  readonly digest: string;
}

/** Directories that hold the store of a registry and its TLS key. */
export interface StoreFiles {
  /**
   * Copies one into a new directory: the file before its log, so that the copy holds whatever was acknowledged before,
   * as long as nothing folds the log into the file meanwhile. Synced. Bytes copied. Errors: `not_found`,
   * `already_exists`, `disk_full`, `io_error`.
   */
  copy(from: string, to: string): Promise<number>;
  /** Opens the store, which checks it, and leaves one file with everything in it. Errors: those of opening a store. */
  check(directory: string): Promise<{ readonly nodes: number; readonly networks: number }>;
  /** Renames a directory; false when the new name is taken. */
  move(from: string, to: string): Promise<boolean>;
  remove(directory: string): Promise<void>;
  /** Everything of a store into a new file, for its owner only. Errors: those of opening a store. */
  exportTo(place: StorePlace, file: string): Promise<TransferFacts>;
  /** Fills an empty store, all or nothing. Errors: those of opening a store, `already_exists`, `state_corrupt`. */
  importFrom(place: StorePlace, file: string): Promise<TransferFacts>;
}

export interface Host {
  readonly version: string;
  /** PILOT_HOME, where set, is absolute here. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Home directory of the user. */
  readonly userHome: string;
  /** Directory for facts that concern the whole machine until it restarts. */
  readonly machineRuntime: string;
  readonly stdin: Source;
  readonly stdout: Sink;
  readonly stderr: Sink;
  readonly net: Net;
  readonly clock: Clock;
  readonly random: Random;
  readonly crypto: Crypto;
  /** 32 bytes from a passphrase by scrypt; `logN` is the binary logarithm of its cost. */
  passphraseKey(
    passphrase: Uint8Array,
    salt: Uint8Array,
    cost: { readonly logN: number; readonly r: number; readonly p: number },
  ): Promise<Uint8Array>;
  readonly files: Files;
  readonly stores: StoreFiles;
  readonly processes: Processes;
  readonly answerers: Answerers;
  /** What a daemon with this setting uses to seal packets and to send them. */
  acceleration(setting: AcceleratorSetting): Acceleration;
  storage(root: string): Storage;
  /** A path as seen from the directory the command was run in. */
  absolute(path: string): string;
  /** Local time for people, `2026-11-22 14:03:05`. */
  localTime(when: UnixMillis): string;
  /** The SHA-256 fingerprint (hex) of the certificate a TLS server presents, unverified. Errors: `connection_failed`, `protocol_error` (speaks no TLS). */
  fingerprintOf(
    server: Endpoint,
    timeout: Millis,
    options?: Pick<ConnectOptions, 'signal' | 'proxy'>,
  ): Promise<string>;
  /** What a shell command prints, at most 64 KiB. Errors: `unavailable` when it fails or takes more than 10 s. */
  shell(command: string): Promise<string>;
  /** Measures how the network treats this machine, without a daemon. Takes some seconds. */
  netcheck(
    input: {
      /** By which the registry is reached, perhaps through a proxy. */
      readonly net: Net;
      readonly registry: Endpoint | undefined;
      readonly tls: { readonly fingerprint?: string } | undefined;
      /** Empty: those that the registry announces. */
      readonly beacons: readonly Endpoint[];
      readonly acceleration: Acceleration;
    },
    signal: Abort,
  ): Promise<NetcheckReport>;
  /** Calls back at Ctrl-C or a request to end; returns how to stop listening. */
  onInterrupt(callback: () => void): () => void;
}
