//! How work reaches the database: one connection that writes and one that reads, each piece of
//! work in one transaction.

use std::path::Path;
use std::time::Duration;

use sqlx::ConnectOptions as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};

use super::file::FileId;
use super::query::{Connection, Db};
use super::{Access, Answer, Journal, Ledger, LedgerError, Result, Schema, server};

/// Nothing of podcal holds the lock longer than a large calendar takes to be written. A
/// backup may; then the recorder tries again.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The log is cut back to this after a burst of large feeds.
const LOG_BYTES: &str = "16777216";

impl Ledger {
    /// Does some work in one transaction: all of it, or nothing where it fails or is dropped.
    pub(super) async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        if self.0.access == Access::Read {
            return Err(LedgerError::ReadOnly {
                path: self.0.name.clone(),
            });
        }
        let Some(server) = &self.0.server else {
            return self.write_beside(work).await;
        };
        let done = self
            .write_beside(async |db| match server.has_lease(db).await? {
                true => work(db).await.map(Some),
                false => Ok(None),
            })
            .await?;
        done.ok_or_else(|| server.lease_ended())
    }

    /// The same for what every process may write.
    pub(super) async fn write_beside<T>(
        &self,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        let mut seat = self.0.writer.lock().await;
        // Out of its seat: it comes back only when all went well.
        let mut connection = match seat.take() {
            Some(connection) if self.is_opened_file() => connection,
            _ => self.connection(Access::Write).await?,
        };
        match self
            .in_transaction(&mut connection, Access::Write, work)
            .await
        {
            Ok(value) => {
                *seat = Some(connection);
                Ok(value)
            }
            Err(error) => {
                // The last connection that closes merges the log into the file and removes
                // it: a full disk may have room then.
                if let Ok(mut reader) = self.0.reader.try_lock()
                    && let Some(reader) = reader.take()
                {
                    let _ = reader.close().await;
                }
                // What does not answer is not taken leave of.
                let _ = tokio::time::timeout(BUSY_TIMEOUT, connection.close()).await;
                Err(error)
            }
        }
    }

    /// Reads in one transaction; where there is no file, nothing is found.
    pub(super) async fn read<T: Default>(
        &self,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        if self.opened().schema == Schema::None {
            return Ok(T::default());
        }
        let mut seat = self.0.reader.lock().await;
        let mut connection = match seat.take() {
            Some(connection) if self.is_opened_file() => connection,
            _ => self.connection(Access::Read).await?,
        };
        match self
            .in_transaction(&mut connection, Access::Read, work)
            .await
        {
            Ok(value) => {
                *seat = Some(connection);
                Ok(value)
            }
            Err(error) => {
                // What does not answer is not taken leave of.
                let _ = tokio::time::timeout(BUSY_TIMEOUT, connection.close()).await;
                Err(error)
            }
        }
    }

    async fn in_transaction<T>(
        &self,
        connection: &mut Connection,
        access: Access,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        let begin = match (&self.0.server, access) {
            (None, Access::Write) => "BEGIN IMMEDIATE",
            (None, Access::Read) => "BEGIN",
            (Some(_), Access::Write) => server::BEGIN,
            (Some(_), Access::Read) => server::BEGIN_READ,
        };
        let transaction = async {
            let mut db = connection.db();
            db.run(begin).await?;
            let value = work(&mut db).await?;
            db.run("COMMIT").await?;
            Ok(value)
        };
        match &self.0.server {
            Some(server) => server.in_time(transaction).await,
            None => transaction
                .await
                .map_err(|error| LedgerError::of(&self.0.path, error)),
        }
    }

    /// A new connection to what was opened.
    async fn connection(&self, access: Access) -> Result<Connection> {
        match &self.0.server {
            Some(server) => server.connect().await.map(Connection::Postgres),
            None => self.connect(access).await.map(Connection::Sqlite),
        }
    }

    /// A new connection to the file that was opened.
    pub(super) async fn connect(&self, access: Access) -> Result<SqliteConnection> {
        if !self.is_opened_file() {
            return Err(LedgerError::Replaced {
                path: self.0.path.clone(),
            });
        }
        let options = options(&self.0.path).synchronous(match self.journal() {
            // The log is flushed when it is merged into the file; what a power cut
            // can take is the last moments, never the file.
            Journal::WriteAhead => SqliteSynchronous::Normal,
            Journal::Rollback => SqliteSynchronous::Full,
        });
        let options = match access {
            Access::Write => options,
            Access::Read => options.pragma("query_only", "ON"),
        };
        let connected = options.connect().await;
        let connection = connected.map_err(|error| LedgerError::of(&self.0.path, error))?;
        #[cfg(test)]
        let connection = self.hinder(connection, access).await;
        Ok(connection)
    }

    /// A command has no claim on the file and looks no further.
    fn is_opened_file(&self) -> bool {
        self.is_on_server()
            || self.0.access == Access::Read
            || FileId::of(&self.0.path) == self.opened().file
    }
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .foreign_keys(true)
        .busy_timeout(BUSY_TIMEOUT)
        .pragma("journal_size_limit", LOG_BYTES)
        // Statements are the same every time and say nothing to an operator.
        .disable_statement_logging()
}

#[cfg(test)]
impl Ledger {
    /// Makes every connection that writes fail as a bad disk would, or be sound again.
    pub(crate) async fn fail_writes(&self, pragma: Option<&'static str>) {
        let mut seat = self.0.writer.lock().await;
        if let Some(connection) = seat.take().filter(|_| pragma.is_some()) {
            connection.close().await.unwrap();
        }
        *self.0.hindrance.lock().unwrap() = pragma;
    }

    pub(crate) async fn merge_log(&self) {
        let mut seat = self.0.writer.lock().await;
        let mut connection = seat.take().unwrap();
        let mut db = connection.db();
        db.run("PRAGMA wal_checkpoint(TRUNCATE)").await.unwrap();
    }

    async fn hinder(&self, mut connection: SqliteConnection, access: Access) -> SqliteConnection {
        let hindrance = *self.0.hindrance.lock().unwrap();
        if let Some(pragma) = hindrance.filter(|_| access == Access::Write) {
            sqlx::query(pragma).execute(&mut connection).await.unwrap();
        }
        connection
    }
}
