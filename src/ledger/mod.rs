//! The ledger: what podcal remembers over a restart, in one SQLite file.

pub mod old;
