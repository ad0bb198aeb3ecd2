//! What differs where the ledger is on a PostgreSQL server: connecting, tables, transactions,
//! and a lease in place of a lock file.
//!
//! Everything works through a pooler in transaction mode (PgBouncer): statements have no
//! names, settings are local to a transaction, nothing is kept in a session, and the start
//! of a connection asks for nothing that a pooler refuses.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::sync::Mutex as AsyncMutex;
use tokio::time::{Instant, sleep, timeout};

use super::lock::Holder;
use super::query::{Db, sql};
use super::server_error::ServerError;
use super::{Answer, LedgerError, Result, replica};
use crate::model::ledger_place::LedgerServer;

static MIGRATIONS: Migrator = sqlx::migrate!("migrations/postgres");

/// Which migrations were applied. The name is podcal's own: the database may hold tables of
/// other programs that are migrated by sqlx.
const MAKE_SCHEMA_TABLE: &str = "CREATE TABLE IF NOT EXISTS podcal_schema (version BIGINT PRIMARY KEY, \
    description TEXT NOT NULL, checksum BYTEA NOT NULL, applied_at TIMESTAMPTZ NOT NULL DEFAULT now())";

/// Older ones get no more corrections from PostgreSQL's developers.
const OLDEST_VERSION: i64 = 13;

/// For a connection, and for a statement.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// For a whole transaction, such as one with many large calendars.
const LONGEST: Duration = Duration::from_secs(60);

/// How often a command that waits for the lease looks again.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Of one migration that runs: the same number in every podcal.
const LOCK_TABLES: &str = "SELECT pg_advisory_xact_lock(8098703468320481635)";

pub(super) struct Server {
    /// The server and the database, for people.
    pub(super) name: PathBuf,
    /// What the configuration says of it.
    place: Mutex<LedgerServer>,
    options: Mutex<PgConnectOptions>,
    /// Tells this process from others.
    pub(super) holder: String,
    /// The connection of the lease.
    lease: AsyncMutex<Option<PgConnection>>,
}

impl Server {
    pub(super) fn new(place: &LedgerServer) -> Result<Self> {
        let parsed = PgConnectOptions::from_str(&place.url);
        // It may quote what it was given.
        let mut options = parsed.map_err(|_| ServerError::Address)?;
        let name = name_by(&options);
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
            place: Mutex::new(place.clone()),
            options: Mutex::new(
                options
                    .application_name("podcal")
                    .statement_cache_capacity(0)
                    // PgBouncer refuses it at the start of a connection.
                    .extra_float_digits(None)
                    .disable_statement_logging(),
            ),
            holder: random_name(),
            lease: AsyncMutex::default(),
        })
    }

    pub(super) fn error(&self, error: sqlx::Error) -> LedgerError {
        ServerError::of(&self.name, error).into()
    }

    fn options(&self) -> MutexGuard<'_, PgConnectOptions> {
        locked(&self.options)
    }

    pub(super) async fn disconnect(&self) {
        if let Some(connection) = self.lease.lock().await.take() {
            let _ = timeout(PATIENCE, connection.close()).await;
        }
    }

    /// Connects from now on as the configuration says now, where that works. What did not
    /// change is not tried: a server that is away refuses no reload of something else.
    pub(super) async fn sign_in_by(&self, place: &LedgerServer) -> Result<()> {
        if *locked(&self.place) == *place {
            return Ok(());
        }
        let other = Self::new(place)?;
        other.look().await?;
        let options = other.options().clone();
        *self.options() = options;
        *locked(&self.place) = place.clone();
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

    /// Whether this is the same database; the user and the way to it may be others.
    pub(super) fn is_at(&self, place: &LedgerServer) -> bool {
        let options = PgConnectOptions::from_str(&place.url);
        options.is_ok_and(|options| name_by(&options) == self.name)
    }

    /// Connects, looks at the server, and finds the schema of the tables: 0 where there are none.
    ///
    /// # Errors
    /// A server that is too old; tables of a newer podcal, or of something else.
    pub(super) async fn look(&self) -> Result<i64> {
        let found = self.once(BEGIN_READ, async |db| find(db).await).await?;
        self.judge(&found)
    }

    /// Some work in one transaction and on a connection of its own. Also what only reads is in
    /// a transaction: behind a pooler, two statements may not have the same session.
    async fn once<T>(
        &self,
        begin: &'static str,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        let mut connection = self.connect().await?;
        let done = self
            .in_time(async {
                let mut db = Db::Postgres(&mut connection);
                db.run(begin).await?;
                let done = work(&mut db).await?;
                db.run("COMMIT").await?;
                Ok(done)
            })
            .await;
        let _ = timeout(PATIENCE, connection.close()).await;
        done
    }

    /// Creates the tables, or brings them up to date, by one process at a time.
    pub(super) async fn make_tables(&self) -> Result<()> {
        if self.look().await? == newest() {
            return Ok(());
        }
        let found = self
            .once(BEGIN, async |db| {
                db.run(LOCK_TABLES).await?;
                // Another process may have been faster.
                let found = find(db).await?;
                if self.judge(&found).is_ok() {
                    apply_after(db, found.newest()).await?;
                }
                Ok(found)
            })
            .await?;
        self.judge(&found).map(drop)
    }

    fn judge(&self, found: &Found) -> Result<i64> {
        let name = || self.name.clone();
        if found.server / 10_000 < OLDEST_VERSION {
            return Err(LedgerError::Server(ServerError::TooOld {
                name: name(),
                found: found.server / 10_000,
                needed: OLDEST_VERSION,
            }));
        }
        if found.newest() > newest() {
            return Err(LedgerError::Server(ServerError::Newer {
                name: name(),
                found: found.newest(),
                known: newest(),
            }));
        }
        let is_known = |(version, checksum): &(i64, Vec<u8>)| {
            let mut known = MIGRATIONS.iter();
            known.any(|known| known.version == *version && *known.checksum == **checksum)
        };
        match found.applied.iter().find(|applied| !is_known(applied)) {
            Some((version, _)) => Err(LedgerError::Server(ServerError::Altered {
                name: name(),
                version: *version,
            })),
            None => Ok(found.newest()),
        }
    }

    /// Begins a lease for a command that works while nobody else does. A replica that was killed
    /// renews nothing, and its lease is waited for; others are named.
    pub(super) async fn claim_alone(&self) -> Result<()> {
        let begun = Instant::now();
        let mut first_end = None;
        loop {
            let (is_held, other) = self
                .once(BEGIN, async |db| {
                    let is_held = replica::claim_alone(db, &self.holder).await?;
                    Ok((is_held, who(db).await?))
                })
                .await?;
            if is_held {
                return Ok(());
            }
            // Given back between two statements.
            let Some((holder, ends_at)) = other else {
                continue;
            };
            let is_renewed = *first_end.get_or_insert(ends_at) != ends_at;
            if is_renewed || begun.elapsed() > replica::LEASE * 2 {
                return Err(LedgerError::Server(ServerError::ServedByAnother {
                    name: self.name.clone(),
                    holder: Some(holder),
                }));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// What is written is written by whoever has a lease alone.
    pub(super) async fn has_lease(&self, db: &mut Db<'_>) -> Answer<bool> {
        replica::has_lease(db, &self.holder).await
    }

    pub(super) fn lease_ended(&self) -> LedgerError {
        LedgerError::Server(ServerError::LeaseEnded {
            name: self.name.clone(),
        })
    }

    /// One transaction on the lease's own connection, so that a large write does not delay it.
    pub(super) async fn on_lease<T>(
        &self,
        begin: &'static str,
        work: impl AsyncFnOnce(&mut Db<'_>) -> Answer<T>,
    ) -> Result<T> {
        let mut seat = self.lease.lock().await;
        let mut connection = match seat.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let transaction = async {
            let mut db = Db::Postgres(&mut connection);
            db.run(begin).await?;
            let done = work(&mut db).await?;
            db.run("COMMIT").await?;
            Ok(done)
        };
        let done = match timeout(PATIENCE, transaction).await {
            Ok(done) => done.map_err(|error| self.error(error))?,
            Err(_) => return Err(self.no_answer(PATIENCE)),
        };
        *seat = Some(connection);
        Ok(done)
    }
}

fn locked<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A statement that waits longer than this ends, and so does a transaction whose process is cut
/// off in the middle: until it ends, others cannot end that process's lease.
pub(super) const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '10s'; SET LOCAL lock_timeout = '5s'; \
     SET LOCAL idle_in_transaction_session_timeout = '5s'";

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

impl Found {
    /// The schema of the tables; 0 where there are none.
    fn newest(&self) -> i64 {
        self.applied.last().map_or(0, |(version, _)| *version)
    }
}

async fn find(db: &mut Db<'_>) -> Answer<Found> {
    let known: Option<(i64, Option<String>)> = sql(
        "SELECT current_setting('server_version_num')::bigint, to_regclass('podcal_schema')::text",
    )
    .fetch_optional(db)
    .await?;
    let (server, table) = known.unwrap_or_default();
    let applied = match table {
        Some(_) => {
            sql("SELECT version, checksum FROM podcal_schema ORDER BY version")
                .fetch_all(db)
                .await?
        }
        None => Vec::new(),
    };
    Ok(Found { server, applied })
}

/// Not by sqlx's own runner, whose statements have names that a pooler mixes up.
async fn apply_after(db: &mut Db<'_>, found: i64) -> Answer<()> {
    db.run(MAKE_SCHEMA_TABLE).await?;
    for migration in MIGRATIONS.iter().filter(|next| next.version > found) {
        db.run(migration.sql.as_str()).await?;
        sql("INSERT INTO podcal_schema (version, description, checksum) VALUES ($1, $2, $3)")
            .bind(migration.version)
            .bind(&*migration.description)
            .bind(migration.checksum.to_vec())
            .execute(db)
            .await?;
    }
    Ok(())
}

async fn who(db: &mut Db<'_>) -> Answer<Option<(Holder, f64)>> {
    let found: Option<(String, i64, f64)> =
        sql("SELECT host, pid, ends_at FROM replica ORDER BY alone DESC, id")
            .fetch_optional(db)
            .await?;
    Ok(found.map(|(host, pid, ends_at)| {
        let holder = Holder {
            pid: u32::try_from(pid).unwrap_or_default(),
            host,
            command: String::new(),
        };
        (holder, ends_at)
    }))
}

fn random_name() -> String {
    use ring::rand::SecureRandom as _;
    let mut bytes = [0; 16];
    // Without randomness the process tells itself from others on this computer at least.
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        let this = Holder::this();
        return format!("{}-{}", this.host, this.pid);
    }
    crate::model::digest::hex(&bytes)
}

/// Neither the user nor what stands after `?`.
fn name_by(options: &PgConnectOptions) -> PathBuf {
    let host = match options.get_socket() {
        Some(folder) => folder.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    };
    let database = options.get_database().unwrap_or_default();
    PathBuf::from(format!("postgres://{host}/{database}"))
}

/// The name of the ledger for people.
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
