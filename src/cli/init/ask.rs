//! Questions on a terminal, each asked again until the answer makes sense.

use std::io::{self, BufRead, Write};

/// Where answers come from and questions go.
pub struct Terminal<'t> {
    input: &'t mut dyn BufRead,
    output: &'t mut dyn Write,
    /// Whether what is typed can be hidden; not in a test.
    hides: bool,
}

/// What is wrong with an answer; `None` where it is right.
pub type Complaint<'c> = &'c dyn Fn(&str) -> Option<String>;

impl<'t> Terminal<'t> {
    #[must_use]
    pub fn new(input: &'t mut dyn BufRead, output: &'t mut dyn Write, hides: bool) -> Self {
        Self {
            input,
            output,
            hides,
        }
    }

    pub fn say(&mut self, text: &str) -> io::Result<()> {
        writeln!(self.output, "{text}")
    }

    /// An answer without outer white space; `default` for an empty one.
    ///
    /// # Errors
    /// The input ends.
    pub fn ask(
        &mut self,
        question: &str,
        default: Option<&str>,
        complaint: Complaint<'_>,
    ) -> io::Result<String> {
        loop {
            match default {
                Some("") => write!(self.output, "{question}: ")?,
                Some(default) => write!(self.output, "{question} [{default}]: ")?,
                None => write!(self.output, "{question}: ")?,
            }
            self.output.flush()?;
            let line = self.line()?;
            let answer = match (line.trim(), default) {
                ("", Some(default)) => default,
                ("", None) => {
                    self.say("  an answer is needed")?;
                    continue;
                }
                (answer, _) => answer,
            };
            match complaint(answer) {
                None => return Ok(answer.to_owned()),
                Some(says) => self.say(&format!("  {says}"))?,
            }
        }
    }

    /// An answer that is not shown while it is typed; may be empty.
    ///
    /// # Errors
    /// The input ends.
    pub fn ask_hidden(&mut self, question: &str) -> io::Result<String> {
        write!(self.output, "{question}: ")?;
        self.output.flush()?;
        let hidden = self.hides.then(Hidden::start);
        let line = self.line();
        if hidden.is_some() {
            self.say("")?;
        }
        Ok(line?.trim().to_owned())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        match self.input.read_line(&mut line)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line),
        }
    }
}

/// While it lives, the terminal does not show what is typed.
struct Hidden {
    #[cfg(unix)]
    before: Option<rustix::termios::Termios>,
}

impl Hidden {
    #[cfg(unix)]
    fn start() -> Self {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut hidden = before.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &hidden);
        }
        Self { before }
    }

    #[cfg(not(unix))]
    fn start() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Hidden {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.before {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
        }
    }
}
