-- Why: a poll that found nothing new used to write three rows, 13.8 GB a day for 500 pods. So what
-- is remembered of a feed, room or pod is one value now, written when it changed; and a feed is kept
-- in versions, so that a room can go on with the one that it believes while a newer one is doubted.
--
-- The old tables are read once by podcal and then dropped by the next migration.
-- Statements are the same on SQLite and PostgreSQL, so no JSON functions are used on these values.

-- JSON of `FeedMemory`. Written in the transaction of the version that it names as the latest.
CREATE TABLE feed_memory (
    feed   TEXT PRIMARY KEY NOT NULL,
    memory TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One version: its members (href, validators, digest of the body) and what it lacks, as JSON.
CREATE TABLE feed_version (
    feed           TEXT NOT NULL,
    version        INTEGER NOT NULL,           -- 64 bits of a digest
    contents       BLOB NOT NULL,
    inflated_bytes INTEGER,                    -- size before packing; NULL: stored as it came, else as zlib
    PRIMARY KEY (feed, version)
) STRICT;

-- Versions of one feed mostly share their bodies.
CREATE TABLE feed_body (
    feed           TEXT NOT NULL,
    sha256         BLOB NOT NULL CHECK (length(sha256) = 32),  -- of the body before packing
    body           BLOB NOT NULL,
    inflated_bytes INTEGER,
    PRIMARY KEY (feed, sha256)
) STRICT;

CREATE TABLE room_memory (
    room   TEXT PRIMARY KEY NOT NULL,
    memory TEXT NOT NULL                       -- JSON of `RoomMemory`
) STRICT;

CREATE TABLE pod_memory (
    pod    TEXT PRIMARY KEY NOT NULL,
    memory TEXT NOT NULL                       -- JSON of `PodMemory`
) STRICT;

CREATE TABLE pod_settings (
    pod     TEXT PRIMARY KEY NOT NULL,
    read_at INTEGER NOT NULL,
    json    TEXT NOT NULL                      -- without the pod's secrets
) STRICT;

-- When feeds were last read and pods last seen, for all of them together: this alone is no
-- reason to write each of them.
CREATE TABLE last_seen (
    kind           TEXT PRIMARY KEY NOT NULL,  -- 'feed' or 'pod'
    times          BLOB NOT NULL,              -- JSON
    inflated_bytes INTEGER
) STRICT;

-- What came of the last sign-in to an account; by a digest of host and user. Written by every
-- process, before it sends a secret that has not worked yet.
CREATE TABLE sign_in (
    account TEXT PRIMARY KEY NOT NULL,
    memory  TEXT NOT NULL                      -- JSON of `SignIn`
) STRICT, WITHOUT ROWID;

-- Pauses of podcal 0.1, which knew pods and not accounts, until they are found an account.
CREATE TABLE old_pause (
    pod          TEXT PRIMARY KEY NOT NULL,
    until        INTEGER NOT NULL,
    rejections   INTEGER NOT NULL,
    password_tag INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Another device than before at a pod's address, accepted by a person.
CREATE TABLE accepted_device (
    pod         TEXT PRIMARY KEY NOT NULL,
    device_id   TEXT NOT NULL,
    accepted_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
