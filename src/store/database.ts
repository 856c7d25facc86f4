import { createRequire } from 'node:module';
import type sqlite from 'sqlite3';
import { RunError } from '../base/errors';

/** How long a statement waits for another process that writes. */
const BUSY_MILLISECONDS = 30_000;

export type SqlValue = string | number | null;

/** A SQLite connection with promises for callbacks. Statements run one after the other, in the order of the calls. */
export class Database {
  private lastTransaction: Promise<unknown> = Promise.resolve();

  private constructor(private readonly connection: sqlite.Database) {}

  /** Opens or creates a database file (`:memory:` for none). The sqlite3 module is loaded here, not with this file. */
  static async open(path: string): Promise<Database> {
    const { Database: Connection } = loadSqlite();
    const connection = await new Promise<sqlite.Database>((resolve, reject) => {
      const opened = new Connection(path, (error) => (error ? reject(error) : resolve(opened)));
    });
    connection.configure('busyTimeout', BUSY_MILLISECONDS);
    connection.serialize();
    return new Database(connection);
  }

  /** Runs statements that take no values and return no rows. */
  exec(sql: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.connection.exec(sql, (error) => (error ? reject(error) : resolve()));
    });
  }

  run(sql: string, values: SqlValue[] = []): Promise<void> {
    return new Promise((resolve, reject) => {
      this.connection.run(sql, values, (error) => (error ? reject(error) : resolve()));
    });
  }

  /** The rows of a query; `T` is the caller's word for what its columns are. */
  all<T>(sql: string, values: SqlValue[] = []): Promise<T[]> {
    return new Promise((resolve, reject) => {
      this.connection.all<T>(sql, values, (error, rows) => (error ? reject(error) : resolve(rows)));
    });
  }

  /** The first row of a query. */
  async get<T>(sql: string, values: SqlValue[] = []): Promise<T | undefined> {
    return (await this.all<T>(sql, values))[0];
  }

  /** Runs `work` as one write transaction: all of it or nothing. Calls wait for each other, in this process and others. */
  transaction<T>(work: () => Promise<T>): Promise<T> {
    const result = this.lastTransaction.then(() => this.oneTransaction(work));
    this.lastTransaction = result.catch(() => undefined);
    return result;
  }

  private async oneTransaction<T>(work: () => Promise<T>): Promise<T> {
    await this.exec('begin immediate');
    try {
      const result = await work();
      await this.exec('commit');
      return result;
    } catch (error) {
      // A damaged file refuses the rollback too; the first error is the one to tell.
      await this.exec('rollback').catch(() => undefined);
      throw error;
    }
  }

  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.connection.close((error) => (error ? reject(error) : resolve()));
    });
  }
}

function loadSqlite(): typeof sqlite {
  try {
    return createRequire(__filename)('sqlite3') as typeof sqlite;
  } catch (error) {
    throw new RunError(`The sqlite3 module cannot be loaded (${(error as Error).message.split('\n')[0]}).`, {
      reason: 'no-sqlite',
      advice: 'Build it with `npm run native-modules`.',
      cause: error,
    });
  }
}
