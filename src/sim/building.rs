//! Many pods in one process: their addresses, a calendar server beside them, the schedule of
//! faults, the control address, and the file in which their state survives a restart. What `podcal
//! simulate` runs.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use super::action::ScheduledCommand;
use super::control::Control;
use super::feedhost::{FeedFault, FeedHost, SignIn};
use super::folder::Folder;
use super::handle::Sim;
use super::options::Options;
use super::persist::StateFile;
use super::server::{Server, Site};

/// How often changed state is written and the folder of feeds is looked through.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Which pods there are and what is beside them.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Of the first pod.
    pub listen: SocketAddr,
    pub pods: u32,
    pub spread: Spread,
    /// Of each pod but for its number. With more than one, a name is followed by the number.
    pub options: Options,
    /// Serves the `.ics` files of a folder, over HTTP, at this address.
    pub feeds: Option<(PathBuf, SocketAddr)>,
    pub state: Option<PathBuf>,
    /// Plain HTTP; must be a loopback address.
    pub control: Option<SocketAddr>,
    pub schedule: Vec<ScheduledCommand>,
    /// Faults of the calendar host from the start.
    pub feed_faults: Vec<FeedFault>,
    /// What the calendar host asks for.
    pub feed_sign_in: Option<SignIn>,
}

/// How further pods are told apart from the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Spread {
    /// The same address, following ports.
    #[default]
    Ports,
    /// The same port, following addresses, as in `127.0.0.1`, `127.0.0.2`.
    Addresses,
}

/// Why the pods could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    #[error("{pods} pods from {first} on go beyond the last address or port")]
    NoRoom { pods: u32, first: SocketAddr },
    #[error("the control address {address} is not a loopback address")]
    OpenControl { address: SocketAddr },
    #[error("cannot read the folder of feeds {}", path.display())]
    Feeds { path: PathBuf, source: io::Error },
    #[error("cannot do what --fault asks for: {message}")]
    Command { message: String },
    #[error("cannot use the state file {}", path.display())]
    State { path: PathBuf, source: io::Error },
}

impl SetupError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen { source, .. } if source.kind() == io::ErrorKind::AddrInUse => {
                "something listens there already; choose another with --listen, --control or --feeds-listen"
            }
            Self::Listen { .. } => {
                "choose an address of this host and a free port; for thousands of pods raise `ulimit -n`"
            }
            Self::NoRoom { .. } => {
                "start from a lower port, ask for fewer pods, or use --spread addresses"
            }
            Self::OpenControl { .. } => {
                "whoever reaches it controls the pods; use 127.0.0.1 or [::1]"
            }
            Self::Command { .. } => "see docs/simulate.md for what a pod can do",
            Self::Feeds { .. } => "name a folder with .ics files that can be read",
            Self::State { .. } => "name a file that can be written; delete it to start again",
        }
    }
}

/// Running pods. Everything stops when it is dropped.
pub struct Building {
    pods: Arc<Vec<Sim>>,
    feeds: Option<Arc<FeedHost>>,
    control: Option<(SocketAddr, Server)>,
    state: Option<StateFile>,
    tasks: JoinSet<()>,
}

impl Building {
    /// Starts everything. Needs a tokio runtime with IO and time.
    ///
    /// # Errors
    /// When an address is not free, or a file or folder cannot be used.
    pub async fn open(setup: Setup) -> Result<Self, SetupError> {
        let addresses = addresses(&setup)?;
        if let Some(address) = setup.control.filter(|control| !control.ip().is_loopback()) {
            return Err(SetupError::OpenControl { address });
        }
        let state = match setup.state {
            Some(path) => {
                let failed = |source| SetupError::State {
                    path: path.clone(),
                    source,
                };
                Some(StateFile::open(path.clone()).map_err(failed)?)
            }
            None => None,
        };
        let mut pods = Vec::with_capacity(addresses.len());
        for (number, address) in (1..).zip(addresses) {
            let mut options = Options {
                number,
                ..setup.options.clone()
            };
            if setup.pods > 1 && !options.name.is_empty() {
                options.name = format!("{} {number}", options.name);
            }
            let listen = |source| SetupError::Listen { address, source };
            let pod = Sim::start(bind(address).await?, options).map_err(listen)?;
            if let Some(state) = &state {
                state.restore(&pod).map_err(listen)?;
            }
            pods.push(pod);
        }
        let pods = Arc::new(pods);
        let mut tasks = JoinSet::new();
        let feeds = match setup.feeds {
            Some((folder, address)) => Some(serve_feeds(folder, address, &mut tasks).await?),
            None => None,
        };
        if let Some(host) = &feeds {
            for fault in setup.feed_faults {
                host.fault(fault);
            }
            if let Some(sign_in) = setup.feed_sign_in {
                host.require(sign_in);
            }
        }
        for scheduled in setup.schedule {
            let refused = |message| SetupError::Command { message };
            match scheduled.every {
                None => scheduled.perform(&pods).map_err(refused)?,
                Some(every) => {
                    scheduled.targets(&pods).map_err(refused)?;
                    tasks.spawn(keep_doing(scheduled, every, Arc::clone(&pods)));
                }
            }
        }
        let control = match setup.control {
            Some(address) => {
                let listener = bind(address).await?;
                let address = listener.local_addr().unwrap_or(address);
                let control = Control::new(Arc::clone(&pods), feeds.clone(), address.ip());
                let site = Arc::new(control) as Arc<dyn Site>;
                Some((address, Server::start(listener, site)))
            }
            None => None,
        };
        Ok(Self {
            pods,
            feeds,
            control,
            state,
            tasks,
        })
    }

    #[must_use]
    pub fn pods(&self) -> &[Sim] {
        &self.pods
    }

    #[must_use]
    pub fn feeds(&self) -> Option<&FeedHost> {
        self.feeds.as_deref()
    }

    #[must_use]
    pub fn control(&self) -> Option<SocketAddr> {
        self.control.as_ref().map(|(address, _)| *address)
    }

    /// Runs until `stop` is done, keeps the state file up to date, and stops everything in order.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), SetupError> {
        let mut stop = std::pin::pin!(stop);
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.as_mut() => break,
                _ = looks.tick(), if self.state.is_some() => self.save()?,
            }
        }
        self.close().await
    }

    async fn close(mut self) -> Result<(), SetupError> {
        self.tasks.shutdown().await;
        if let Some((_, server)) = self.control.take() {
            server.stop().await;
        }
        self.save()?;
        if let Some(pods) = Arc::into_inner(self.pods) {
            futures_util::future::join_all(pods.into_iter().map(Sim::stop)).await;
        }
        Ok(())
    }

    fn save(&mut self) -> Result<(), SetupError> {
        let Some(state) = &mut self.state else {
            return Ok(());
        };
        let saved = state.save(&self.pods);
        saved.map_err(|source| SetupError::State {
            path: state.path().to_owned(),
            source,
        })
    }
}

fn addresses(setup: &Setup) -> Result<Vec<SocketAddr>, SetupError> {
    let (pods, first) = (setup.pods, setup.listen);
    let all: Option<Vec<SocketAddr>> = (0..pods)
        .map(|index| match setup.spread {
            // Port 0 is any free port, for every pod.
            Spread::Ports if first.port() == 0 => Some(first),
            Spread::Ports => {
                let port = u32::from(first.port()).checked_add(index)?;
                Some(SocketAddr::new(first.ip(), u16::try_from(port).ok()?))
            }
            Spread::Addresses => {
                let IpAddr::V4(ip) = first.ip() else {
                    return None;
                };
                let ip = u32::from(ip).checked_add(index)?;
                Some(SocketAddr::new(Ipv4Addr::from(ip).into(), first.port()))
            }
        })
        .collect();
    all.ok_or(SetupError::NoRoom { pods, first })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, SetupError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| SetupError::Listen { address, source })
}

async fn keep_doing(scheduled: ScheduledCommand, every: Duration, pods: Arc<Vec<Sim>>) {
    loop {
        tokio::time::sleep(every).await;
        // What cannot be done at one turn leaves things as they are.
        let _ = scheduled.perform(&pods);
    }
}

/// Serves a folder's calendars and follows changes in it.
async fn serve_feeds(
    path: PathBuf,
    address: SocketAddr,
    tasks: &mut JoinSet<()>,
) -> Result<Arc<FeedHost>, SetupError> {
    let listener = bind(address).await?;
    let mut folder = Folder::new(path.clone());
    let start = || {
        let host = FeedHost::start(listener, None)?;
        folder.look_through(&host)?;
        Ok(Arc::new(host))
    };
    let host = start().map_err(|source| SetupError::Feeds { path, source })?;
    let following = Arc::clone(&host);
    tasks.spawn(async move {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            // A folder that cannot be read for a moment leaves what is served.
            let _ = folder.look_through(&following);
        }
    });
    Ok(host)
}
