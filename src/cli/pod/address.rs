//! A pod by its bare address: how it is reached, and whom it is taken for.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::{ArgGroup, Args};

use crate::cli::Failure;
use crate::config::{Pod, TlsTrust, load};
use crate::model::fingerprint::Fingerprint;
use crate::model::name::PodUrl;
use crate::model::secret::Secret;

/// How to reach a pod that is not in the configuration.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Bare addresses")]
#[command(group = ArgGroup::new("login").multiple(false))]
#[command(group = ArgGroup::new("trust_by").multiple(false))]
pub struct AddressOptions {
    /// Sign in as this user
    #[arg(long, value_name = "NAME", global = true)]
    pub username: Option<String>,

    /// Read the password from a file that contains nothing else
    #[arg(long, value_name = "FILE", global = true, group = "login")]
    pub password_file: Option<PathBuf>,

    /// Take the password from an environment variable
    #[arg(long, value_name = "VARIABLE", global = true, group = "login")]
    pub password_env: Option<String>,

    /// The pod has no password
    #[arg(long, global = true, group = "login")]
    pub no_password: bool,

    /// Accept any certificate: whoever answers at the address gets the password
    #[arg(long, global = true, group = "trust_by")]
    pub insecure: bool,

    /// Accept only the certificate with this SHA-256 fingerprint
    #[arg(long, value_name = "SHA256", global = true, group = "trust_by")]
    pub fingerprint: Option<String>,

    /// Accept certificates of the authorities in this PEM file
    #[arg(long, value_name = "FILE", global = true, group = "trust_by")]
    pub ca_file: Option<PathBuf>,

    /// Accept certificates of the system's authorities
    #[arg(long, global = true, group = "trust_by")]
    pub ca: bool,

    /// Time limit of one request
    #[arg(long, value_name = "SECONDS", global = true)]
    pub timeout: Option<u64>,
}

impl AddressOptions {
    /// Whether an option was given that only makes sense with a bare address.
    #[must_use]
    pub fn are_given(&self) -> bool {
        self.username.is_some()
            || self.password_file.is_some()
            || self.password_env.is_some()
            || self.no_password
            || self.insecure
            || self.ca_file.is_some()
            || self.ca
            || self.timeout.is_some()
    }

    /// The pod at a bare address, with the password and trust of these options.
    ///
    /// Without an option about the certificate it is that of the ledger, as with
    /// `verify = "pin"`; where the ledger knows none, `run` refuses to sign in.
    ///
    /// # Errors
    /// What is missing, or cannot be read.
    pub fn pod(&self, url: PodUrl, signs_in: bool) -> Result<Pod, Failure> {
        Ok(Pod {
            url,
            username: self.username.clone().unwrap_or_else(|| "admin".to_owned()),
            password: self.password(signs_in)?,
            tls: self.tls()?,
            min_interval: Duration::ZERO,
            timeout: Duration::from_secs(self.timeout.unwrap_or(20).max(1)),
            third_party_type: None,
            enforce: None,
        })
    }

    fn password(&self, signs_in: bool) -> Result<Secret, Failure> {
        if let Some(path) = &self.password_file {
            return load::secret_file(path).map_err(|says| {
                let says = format!("the password file {} {says}", path.display());
                Failure::usage(says, "name a file that contains nothing but the password")
            });
        }
        if let Some(name) = &self.password_env {
            let value = std::env::var(name).map_err(|_| {
                let says = format!("the environment variable `{name}` is not set");
                Failure::usage(says, "set it to the pod's password")
            })?;
            return Ok(Secret::new(value));
        }
        if self.no_password || !signs_in {
            return Ok(Secret::new(""));
        }
        Err(Failure::usage(
            "a bare address needs the pod's password",
            "add `--password-file FILE` or `--password-env VARIABLE`; `--no-password` if the pod has none",
        ))
    }

    fn tls(&self) -> Result<TlsTrust, Failure> {
        if self.insecure {
            return Ok(TlsTrust::Off);
        }
        if self.ca {
            return Ok(TlsTrust::Ca);
        }
        if let Some(path) = &self.ca_file {
            let pem = std::fs::read(path).map_err(|error| {
                let says = format!("the CA file {} cannot be read: {error}", path.display());
                Failure::usage(says, "name a file of certificates in PEM")
            })?;
            return Ok(TlsTrust::CaFile(Arc::from(pem)));
        }
        let expected = self.expected_fingerprint()?;
        Ok(expected.map_or(TlsTrust::Pin, |expected| TlsTrust::Sha256(expected.0)))
    }

    /// The fingerprint of `--fingerprint`.
    ///
    /// # Errors
    /// It is none.
    pub fn expected_fingerprint(&self) -> Result<Option<Fingerprint>, Failure> {
        let Some(text) = &self.fingerprint else {
            return Ok(None);
        };
        let found = Fingerprint::parse(text).ok_or_else(|| {
            Failure::usage(
                "`--fingerprint` is not a SHA-256 fingerprint",
                "write its 64 hexadecimal digits, with or without colons",
            )
        })?;
        Ok(Some(found))
    }
}
