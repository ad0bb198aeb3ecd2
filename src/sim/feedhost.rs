//! A calendar server.
