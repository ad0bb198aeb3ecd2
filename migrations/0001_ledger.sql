-- Why: a display must stay right when a calendar server is down, when podcal is killed, and when
-- a pod forgets. So the ledger remembers what each feed last said, what each pod confirmed, and
-- what was done when. It is a memory, not a queue: all but the trusted certificates and the
-- history is rebuilt by the next sync.
--
-- Instants are Unix seconds. Feeds are known by a digest, because an address may be a password.
-- Nothing in here signs in anywhere: no password, no token, no address beyond its host.
-- Released migrations are never edited; the next change is the next file.

-- "podc": tells this file from any other SQLite database that a path may name by mistake.
PRAGMA application_id = 0x706f6463;

-- One feed; two rooms that read the same address share it.
CREATE TABLE feed (
    feed          TEXT PRIMARY KEY NOT NULL,
    host          TEXT NOT NULL,
    state         TEXT,                        -- what the feed client left for itself
    pulled_at     INTEGER,                     -- last success
    changed_at    INTEGER,                     -- last success that brought something new
    failing_since INTEGER,
    failures      INTEGER NOT NULL DEFAULT 0,  -- in a row
    last_error    TEXT,
    last_kind     TEXT,
    not_before    INTEGER                      -- the server asked to be left alone until then
) STRICT, WITHOUT ROWID;

-- Body and validators are one row: a validator without its body would earn a 304 with nothing to show.
CREATE TABLE item (
    feed           TEXT NOT NULL REFERENCES feed (feed) ON DELETE CASCADE,
    href           TEXT NOT NULL,              -- empty for an ICS document
    etag           TEXT,
    last_modified  TEXT,
    body           BLOB NOT NULL,
    inflated_bytes INTEGER,                    -- size of the body; NULL: it is stored as it came, else as zlib
    PRIMARY KEY (feed, href)
) STRICT;

CREATE TABLE room (
    room           TEXT PRIMARY KEY NOT NULL,
    synced_at      INTEGER,                    -- last cycle, whatever its outcome
    in_step        INTEGER NOT NULL DEFAULT 0,
    last_error     TEXT,
    failing_since  INTEGER,
    vanished_since INTEGER                     -- everything to come vanished, and is not believed yet
) STRICT, WITHOUT ROWID;

-- Small and often written: each poll touches its row.
CREATE TABLE pod (
    pod             TEXT PRIMARY KEY NOT NULL,
    room            TEXT,                      -- whose display it is; a pod has one room
    device_id       TEXT,
    mode            TEXT,
    mode_checked_at INTEGER,
    repushes        INTEGER NOT NULL DEFAULT 0,
    rest_until      INTEGER,
    rejections      INTEGER NOT NULL DEFAULT 0,
    password_tag    INTEGER,                   -- 16 bits of a digest: enough to notice a new password, not to find it
    health          TEXT,
    health_since    INTEGER,
    health_detail   TEXT,
    seen_at         INTEGER,                   -- last time that it answered
    checked_at      INTEGER,                   -- last time that its health was judged
    failing_since   INTEGER,
    failures        INTEGER NOT NULL DEFAULT 0, -- of pushes, in a row
    last_error      TEXT
) STRICT, WITHOUT ROWID;

-- Large and seldom written, so that a poll does not write it again.
CREATE TABLE pod_agenda (
    pod          TEXT PRIMARY KEY NOT NULL REFERENCES pod (pod) ON DELETE CASCADE,
    confirmed    TEXT,                         -- JSON, as the pod was sent it
    confirmed_at INTEGER,
    lost         INTEGER NOT NULL DEFAULT 0,
    lost_reason  TEXT,
    echo         TEXT                          -- JSON, what the pod made of it
) STRICT;

CREATE TABLE pod_config (
    pod     TEXT PRIMARY KEY NOT NULL REFERENCES pod (pod) ON DELETE CASCADE,
    read_at INTEGER NOT NULL,
    json    TEXT NOT NULL                      -- without the pod's secrets
) STRICT;

-- Trust outlives the configuration: a pod that is taken out and put back is still the same pod,
-- and whoever answers at its address meanwhile is not to be trusted for it.
CREATE TABLE pin (
    pod       TEXT PRIMARY KEY NOT NULL,
    sha256    BLOB NOT NULL CHECK (length(sha256) = 32),
    pinned_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The service itself: one row.
CREATE TABLE service (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    started_at    INTEGER,
    stopped_at    INTEGER,
    version       TEXT,
    last_cycle_at INTEGER
) STRICT;

-- What was done and what went wrong. The columns are what is searched by; the rest is in `event`.
CREATE TABLE history (
    id             INTEGER PRIMARY KEY,
    room           TEXT,                       -- NULL: of a pod whose room was not known then
    feed           TEXT,
    pod            TEXT,
    what           TEXT NOT NULL,
    trouble        INTEGER NOT NULL,           -- trouble is kept longer
    since_at       INTEGER NOT NULL,           -- of several alike in a row, the first
    at             INTEGER NOT NULL,           -- and the last
    count          INTEGER NOT NULL DEFAULT 1,
    event          BLOB NOT NULL,              -- JSON
    inflated_bytes INTEGER                     -- as in `item`
) STRICT;

CREATE INDEX history_of_room ON history (room, at);
CREATE INDEX history_of_pod ON history (pod, what);
CREATE INDEX history_of_feed ON history (feed, what);
