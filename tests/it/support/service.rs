//! `podcal run` as a child process, with its log. Killed when dropped.

use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::within;

pub struct Service {
    child: Child,
    log: watch::Receiver<String>,
}

impl Service {
    pub(super) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, log) = watch::channel(String::new());
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                sender.send_modify(|log| {
                    log.push_str(&line);
                    log.push('\n');
                });
            }
        });
        Self { child, log }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("podcal has ended already")
    }

    /// What was logged so far.
    pub fn log(&self) -> String {
        self.log.borrow().clone()
    }

    /// The lines of a log that somebody should read. The worlds poll their pods more often than
    /// the vendor advises, and that is said at the start.
    pub fn troubles(log: &str) -> Vec<&str> {
        let troubled = |line: &&str| line.contains(" WARN ") || line.contains(" ERROR ");
        let usual = |line: &&str| line.contains("config.warning");
        log.lines()
            .filter(troubled)
            .filter(|line| !usual(line))
            .collect()
    }

    /// Waits until the log holds these words.
    pub async fn says(&self, words: &str) {
        self.says_so_often(words, 1).await;
    }

    /// Waits until the log holds these words so many times.
    pub async fn says_so_often(&self, words: &str, times: usize) {
        let mut log = self.log.clone();
        let said = log.wait_for(|log| log.matches(words).count() >= times);
        let said = tokio::time::timeout(super::LIMIT, said).await;
        if !matches!(said, Ok(Ok(_))) {
            panic!("waited in vain for `{words}` in the log:\n{}", self.log());
        }
    }

    /// Sends a signal, such as `TERM` or `HUP`.
    pub async fn signal(&self, name: &str) {
        let pid = self.child.id().expect("podcal has ended already");
        let sent = Command::new("sh")
            .args(["-c", &format!("kill -{name} {pid}")])
            .status();
        assert!(sent.await.unwrap().success());
    }

    /// Kills it without a warning.
    pub async fn kill(mut self) {
        within("podcal to die", self.child.kill()).await.unwrap();
    }

    pub async fn ended(&mut self) -> ExitStatus {
        within("podcal to end", self.child.wait()).await.unwrap()
    }

    /// SIGTERM; the log of all its life.
    pub async fn stop(mut self) -> String {
        // Before that it does not listen to signals yet.
        self.says("service.started").await;
        self.signal("TERM").await;
        let status = self.ended().await;
        let mut log = self.log.clone();
        // The sender is dropped at the end of the stream.
        let _ = within("the log to end", log.wait_for(|_| false)).await;
        assert_eq!(status.code(), Some(0), "{}", self.log());
        self.log()
    }
}
