//! One set of statements for both engines: `$1` and `ON CONFLICT` mean the same on SQLite and
//! on PostgreSQL. Where they differ is in `server` (PostgreSQL) and `begin`, `schema` (SQLite).

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Connection as _, FromRow, Postgres, Sqlite};

use super::Answer;
use crate::model::time::UnixTime;

/// A connection to either engine.
pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Connection {
    pub(super) fn db(&mut self) -> Db<'_> {
        match self {
            Self::Sqlite(connection) => Db::Sqlite(connection),
            Self::Postgres(connection) => Db::Postgres(connection),
        }
    }

    pub(super) async fn close(self) -> Answer<()> {
        match self {
            Self::Sqlite(connection) => connection.close().await,
            Self::Postgres(connection) => connection.close().await,
        }
    }
}

/// A connection that is lent.
pub(super) enum Db<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

impl<'c> From<&'c mut SqliteConnection> for Db<'c> {
    fn from(connection: &'c mut SqliteConnection) -> Self {
        Self::Sqlite(connection)
    }
}

impl Db<'_> {
    /// Statements without values, such as those that begin and end a transaction.
    pub(super) async fn run(&mut self, statements: &'static str) -> Answer<()> {
        match self {
            Self::Sqlite(connection) => sqlx::raw_sql(statements)
                .execute(&mut **connection)
                .await
                .map(drop),
            Self::Postgres(connection) => sqlx::raw_sql(statements)
                .execute(&mut **connection)
                .await
                .map(drop),
        }
    }
}

/// What a row of either engine can become.
pub(super) trait Row:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Row for T where T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{}

#[derive(Clone)]
pub(super) enum Value {
    Text(Option<String>),
    Integer(Option<i64>),
    Bytes(Vec<u8>),
}

impl Value {
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Text(text) => text.as_ref().map_or(0, String::len),
            Self::Integer(_) => 8,
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Some(text.to_owned()))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Some(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::Text(Some(text.clone()))
    }
}

impl From<&Option<String>> for Value {
    fn from(text: &Option<String>) -> Self {
        Self::Text(text.clone())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Integer(Some(number))
    }
}

impl From<Option<i64>> for Value {
    fn from(number: Option<i64>) -> Self {
        Self::Integer(number)
    }
}

impl From<UnixTime> for Value {
    fn from(time: UnixTime) -> Self {
        Self::Integer(Some(time.seconds()))
    }
}

impl From<Option<UnixTime>> for Value {
    fn from(time: Option<UnixTime>) -> Self {
        Self::Integer(time.map(UnixTime::seconds))
    }
}

impl From<Vec<u8>> for Value {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// A statement and its values, for either engine.
pub(super) struct Statement {
    text: &'static str,
    values: Vec<Value>,
}

pub(super) fn sql(text: &'static str) -> Statement {
    Statement {
        text,
        values: Vec::new(),
    }
}

type SqliteQuery = sqlx::query::Query<'static, Sqlite, SqliteArguments>;
type PostgresQuery = sqlx::query::Query<'static, Postgres, PgArguments>;

impl Statement {
    pub(super) fn bind(mut self, value: impl Into<Value>) -> Self {
        self.values.push(value.into());
        self
    }

    fn sqlite(self) -> SqliteQuery {
        let query = sqlx::query(self.text);
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                Value::Text(text) => query.bind(text),
                Value::Integer(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
            })
    }

    /// Without a name on the server: behind a pooler the next transaction may have another
    /// session, which knows no statement of this one.
    fn postgres(self) -> PostgresQuery {
        let query = sqlx::query(self.text).persistent(false);
        self.values
            .into_iter()
            .fold(query, |query, value| match value {
                // A device may call itself anything; PostgreSQL stores no NUL in a text.
                Value::Text(text) => query.bind(text.map(|text| text.replace('\0', "\u{fffd}"))),
                Value::Integer(number) => query.bind(number),
                Value::Bytes(bytes) => query.bind(bytes),
            })
    }

    /// Says how many rows it concerned.
    pub(super) async fn execute(self, db: &mut Db<'_>) -> Answer<u64> {
        match db {
            Db::Sqlite(connection) => {
                let done = self.sqlite().execute(&mut **connection).await?;
                Ok(done.rows_affected())
            }
            Db::Postgres(connection) => {
                let done = self.postgres().execute(&mut **connection).await?;
                Ok(done.rows_affected())
            }
        }
    }

    pub(super) async fn fetch_all<T: Row>(self, db: &mut Db<'_>) -> Answer<Vec<T>> {
        match db {
            Db::Sqlite(connection) => {
                let rows = self.sqlite().fetch_all(&mut **connection).await?;
                rows.iter().map(T::from_row).collect()
            }
            Db::Postgres(connection) => {
                let rows = self.postgres().fetch_all(&mut **connection).await?;
                rows.iter().map(T::from_row).collect()
            }
        }
    }

    pub(super) async fn fetch_optional<T: Row>(self, db: &mut Db<'_>) -> Answer<Option<T>> {
        Ok(self.fetch_all(db).await?.into_iter().next())
    }
}
