//! What differs where the ledger is on a PostgreSQL server: connecting, tables, transactions,
//! and the lease in place of a lock file.
//!
//! Everything works through a pooler in transaction mode (PgBouncer): statements have no
//! names, settings are local to a transaction, nothing is kept in a session, and the start
//! of a connection asks for nothing that a pooler refuses.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::migrate::{Migrate as _, MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{Instant, sleep, timeout};

use super::query::{Db, sql};
use super::server_error::ServerError;
use super::{Answer, LedgerError, Result};
use crate::model::ledger_place::LedgerServer;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// A name of its own: the database may hold other tables that sqlx migrates.
const MIGRATIONS_TABLE: &str = "podcal_schema";

/// Older ones get no more corrections from PostgreSQL's developers.
const OLDEST_VERSION: i64 = 13;

/// For a connection, and for a statement.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// For a whole transaction, such as one with many large calendars.
const LONGEST: Duration = Duration::from_secs(60);

/// A killed service holds the ledger for this long.
const LEASE_SECONDS: i64 = 30;

/// How often the lease is renewed.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(5);

/// How often a service that waits for the lease looks again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Of one migration that runs: the same number in every podcal.
const LOCK_TABLES: &str = "SELECT pg_advisory_xact_lock(8098703468320481635)";

pub(super) struct Server {
    /// Its address without a password, for people.
    pub(super) name: PathBuf,
    options: Mutex<PgConnectOptions>,
    /// Tells this service's lease from others.
    holder: String,
}

impl Server {
    pub(super) fn new(place: &LedgerServer) -> Result<Self> {
        let name = PathBuf::from(&place.url);
        let parsed = PgConnectOptions::from_str(&place.url);
        let mut options = parsed.map_err(|error| ServerError::of(&name, error))?;
        if !place.url.contains("sslmode=") {
            let is_here = options.get_socket().is_some()
                || matches!(
                    options.get_host(),
                    "localhost" | "127.0.0.1" | "::1" | "[::1]"
                )
                || options.get_host().starts_with('/');
            options = options.ssl_mode(match is_here {
                true => PgSslMode::Prefer,
                // The password is sent to nobody else than the server that is named.
                false => PgSslMode::VerifyFull,
            });
        }
        if let Some(password) = &place.password {
            options = options.password(password.reveal());
        }
        Ok(Self {
            name,
            options: Mutex::new(
                options
                    .application_name("podcal")
                    .statement_cache_capacity(0)
                    // PgBouncer refuses it at the start of a connection.
                    .extra_float_digits(None)
                    .disable_statement_logging(),
            ),
            holder: holder(),
        })
    }

    pub(super) fn error(&self, error: sqlx::Error) -> LedgerError {
        ServerError::of(&self.name, error).into()
    }

    fn options(&self) -> MutexGuard<'_, PgConnectOptions> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects as the other does, where that works.
    pub(super) async fn sign_in_by(&self, other: Self) -> Result<()> {
        other.look().await?;
        let options = other.options().clone();
        *self.options() = options;
        Ok(())
    }

    fn no_answer(&self, waited: Duration) -> LedgerError {
        LedgerError::Server(ServerError::NoAnswer {
            name: self.name.clone(),
            seconds: waited.as_secs(),
        })
    }

    pub(super) async fn connect(&self) -> Result<PgConnection> {
        let options = self.options().clone();
        match timeout(PATIENCE, options.connect()).await {
            Ok(connected) => connected.map_err(|error| self.error(error)),
            Err(_) => Err(self.no_answer(PATIENCE)),
        }
    }

    /// One transaction; one that takes too long ends with its connection.
    pub(super) async fn in_time<T>(&self, work: impl Future<Output = Answer<T>>) -> Result<T> {
        match timeout(LONGEST, work).await {
            Ok(done) => done.map_err(|error| self.error(error)),
            Err(_) => Err(self.no_answer(LONGEST)),
        }
    }

    /// Connects, looks at the server, and finds the schema of the tables: 0 where there are none.
    ///
    /// # Errors
    /// A server that is too old; tables of a newer podcal, or of something else.
    pub(super) async fn look(&self) -> Result<i64> {
        let mut connection = self.connect().await?;
        let found = self.in_time(find(&mut connection)).await;
        let _ = connection.close().await;
        self.judge(&found?)
    }

    /// Makes the database ready for a service: its tables, then the lease.
    pub(super) async fn begin(&self) -> Result<()> {
        self.make_tables().await?;
        self.claim().await
    }

    /// Creates the tables, or brings them up to date, by one process at a time.
    pub(super) async fn make_tables(&self) -> Result<()> {
        if self.look().await? == newest() {
            return Ok(());
        }
        let mut connection = self.connect().await?;
        let mut db = Db::Postgres(&mut connection);
        let begun = async {
            db.run(BEGIN).await?;
            db.run(LOCK_TABLES).await
        };
        self.in_time(begun).await?;
        // Another process may have been faster.
        let found = self.in_time(find(&mut connection)).await?;
        let found = self.judge(&found)?;
        self.in_time(apply_after(&mut connection, found)).await?;
        let _ = connection.close().await;
        Ok(())
    }

    fn judge(&self, found: &Found) -> Result<i64> {
        let path = || self.name.clone();
        if found.server / 10_000 < OLDEST_VERSION {
            return Err(LedgerError::Server(ServerError::TooOld {
                name: path(),
                found: found.server / 10_000,
                needed: OLDEST_VERSION,
            }));
        }
        let newest_found = found.applied.last().map_or(0, |(version, _)| *version);
        if newest_found > newest() {
            return Err(LedgerError::Newer {
                path: path(),
                found: newest_found,
                known: newest(),
            });
        }
        let is_known = |(version, checksum): &(i64, Vec<u8>)| {
            let mut known = MIGRATIONS.iter();
            known.any(|known| known.version == *version && *known.checksum == **checksum)
        };
        match found.applied.iter().find(|applied| !is_known(applied)) {
            Some((version, _)) => Err(LedgerError::Altered {
                path: path(),
                version: *version,
            }),
            None => Ok(newest_found),
        }
    }

    /// Takes the lease. Where another process holds it and renews it, that one is named; one
    /// that was killed renews nothing, and its lease is waited for.
    async fn claim(&self) -> Result<()> {
        let begun = Instant::now();
        let mut first_end = None;
        loop {
            let mut connection = self.connect().await?;
            let attempt = async {
                let mut db = Db::Postgres(&mut connection);
                db.run(BEGIN).await?;
                let is_held = renew(&mut db, &self.holder).await?;
                let other = who(&mut db).await?;
                db.run("COMMIT").await?;
                Ok((is_held, other))
            };
            let (is_held, other) = self.in_time(attempt).await?;
            let _ = connection.close().await;
            if is_held {
                return Ok(());
            }
            // Given back between two statements.
            let Some((host, pid, ends_at)) = other else {
                continue;
            };
            let is_renewed = *first_end.get_or_insert(ends_at) != ends_at;
            if is_renewed || begun.elapsed() > Duration::from_secs(2 * LEASE_SECONDS.unsigned_abs())
            {
                return Err(self.held_by(host, pid));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Renews the lease in a transaction, so that what it writes is written by its holder alone.
    pub(super) async fn renew(&self, db: &mut Db<'_>) -> Answer<bool> {
        renew(db, &self.holder).await
    }

    pub(super) async fn holder_now(&self) -> LedgerError {
        let found = async {
            let mut connection = self.connect().await.ok()?;
            who(&mut Db::Postgres(&mut connection)).await.ok()?
        };
        match found.await {
            Some((host, pid, _)) => self.held_by(host, pid),
            None => self.held_by("another computer".to_owned(), 0),
        }
    }

    fn held_by(&self, host: String, pid: i64) -> LedgerError {
        LedgerError::ServiceRunning {
            path: self.name.clone(),
            pid: u32::try_from(pid).ok().filter(|pid| *pid > 0),
            host: Some(host),
        }
    }

    pub(super) async fn give_back(&self) {
        let given = async {
            let mut connection = self.connect().await.ok()?;
            let mut db = Db::Postgres(&mut connection);
            // Also what only reads is in a transaction: behind a pooler each has a session.
            db.run(BEGIN).await.ok()?;
            sql("DELETE FROM service_lease WHERE holder = $1")
                .bind(&self.holder)
                .execute(&mut db)
                .await
                .ok()?;
            db.run("COMMIT").await.ok()?;
            connection.close().await.ok()
        };
        let _ = timeout(PATIENCE, given).await;
    }
}

/// A statement that waits longer than this ends; the lease is not waited for.
pub(super) const BEGIN: &str =
    "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'";

/// What is read together is of one moment.
pub(super) const BEGIN_READ: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = '10s'";

pub(super) fn newest() -> i64 {
    let versions = MIGRATIONS.iter().map(|migration| migration.version);
    versions.max().unwrap_or_default()
}

struct Found {
    /// Such as 150012.
    server: i64,
    applied: Vec<(i64, Vec<u8>)>,
}

async fn find(connection: &mut PgConnection) -> Answer<Found> {
    let mut db = Db::Postgres(connection);
    let known: Option<(i64, Option<String>)> = sql(
        "SELECT current_setting('server_version_num')::bigint, to_regclass('podcal_schema')::text",
    )
    .fetch_optional(&mut db)
    .await?;
    let (server, table) = known.unwrap_or_default();
    let applied = match table {
        Some(_) => {
            sql("SELECT version, checksum FROM podcal_schema ORDER BY version")
                .fetch_all(&mut db)
                .await?
        }
        None => Vec::new(),
    };
    Ok(Found { server, applied })
}

async fn apply_after(connection: &mut PgConnection, found: i64) -> Answer<()> {
    let sqlx_error = |error| match error {
        MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error,
        error => error.into(),
    };
    connection
        .ensure_migrations_table(MIGRATIONS_TABLE)
        .await
        .map_err(sqlx_error)?;
    for migration in MIGRATIONS.iter().filter(|next| next.version > found) {
        connection
            .apply(MIGRATIONS_TABLE, migration)
            .await
            .map_err(sqlx_error)?;
    }
    Db::Postgres(connection).run("COMMIT").await
}

/// One statement: takes the lease, or renews it, where nobody else holds it.
async fn renew(db: &mut Db<'_>, holder: &str) -> Answer<bool> {
    let done = sql(
        "INSERT INTO service_lease AS held (id, holder, host, pid, ends_at) \
         VALUES (1, $1, $2, $3, extract(epoch FROM clock_timestamp()) + $4::bigint) \
         ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, host = excluded.host, \
         pid = excluded.pid, ends_at = excluded.ends_at \
         WHERE held.holder = excluded.holder \
         OR held.ends_at < extract(epoch FROM clock_timestamp())",
    )
    .bind(holder)
    .bind(host())
    .bind(i64::from(std::process::id()))
    .bind(LEASE_SECONDS)
    .execute(db)
    .await?;
    Ok(done == 1)
}

async fn who(db: &mut Db<'_>) -> Answer<Option<(String, i64, f64)>> {
    sql("SELECT host, pid, ends_at FROM service_lease")
        .fetch_optional(db)
        .await
}

fn host() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

fn holder() -> String {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 16];
    // Without randomness the process tells itself from others on this computer at least.
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        return format!("{}-{}", host(), std::process::id());
    }
    crate::model::digest::hex(&bytes)
}

/// The name of the ledger for people: its address without a password.
pub(super) fn name_of(server: Option<&Server>, path: &Path) -> PathBuf {
    server.map_or_else(|| path.to_owned(), |server| server.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_server_is_refused_and_one_that_is_supported_is_not() {
        let server = Server::new(&LedgerServer {
            url: "postgres://podcal@localhost/podcal".to_owned(),
            password: None,
        })
        .unwrap();
        let found = |server| Found {
            server,
            applied: Vec::new(),
        };
        let error = server.judge(&found(120_018)).unwrap_err();
        assert!(
            error.to_string().contains("version 12, podcal needs 13"),
            "{error}"
        );
        assert_eq!(server.judge(&found(130_000)).unwrap(), 0);
    }

    #[test]
    fn a_server_elsewhere_has_to_prove_its_name() {
        for (url, mode) in [
            ("postgres://p@db.example.com/p", PgSslMode::VerifyFull),
            (
                "postgres://p@db.example.com/p?sslmode=require",
                PgSslMode::Require,
            ),
            ("postgres://p@127.0.0.1:5433/p", PgSslMode::Prefer),
        ] {
            let server = Server::new(&LedgerServer {
                url: url.to_owned(),
                password: None,
            });
            let found = server.unwrap().options().get_ssl_mode();
            assert_eq!(format!("{found:?}"), format!("{mode:?}"), "{url}");
        }
    }
}
