//! Keeps a terminal while a program draws on it.
//!
//! Owns raw mode and the alternate screen. Promises to give the terminal back as it was at every end that a
//! program can see: return, error, panic in any thread, and the signals by which it is asked to end. Refuses to
//! know what is drawn.

use std::io::{self, IsTerminal, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub use ratatui;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use ratatui::{DefaultTerminal, Frame};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

/// A terminal that is drawn on until this is dropped.
#[derive(Debug)]
pub struct Screen {
    terminal: DefaultTerminal,
    asked: Arc<AtomicBool>,
    signals: Vec<SigId>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When standard output is no terminal, or cannot be taken.
    pub fn open() -> io::Result<Self> {
        if !stdout().is_terminal() {
            return Err(io::Error::other("standard output is no terminal"));
        }
        let asked = Arc::new(AtomicBool::new(false));
        let register = |signal| flag::register(signal, Arc::clone(&asked));
        let signals = [SIGHUP, SIGINT, SIGTERM]
            .into_iter()
            .map(register)
            .collect::<io::Result<_>>()?;
        // From here on a panic gives the terminal back before it is reported.
        let terminal = ratatui::try_init()?;
        Ok(Self {
            terminal,
            asked,
            signals,
        })
    }

    /// Draws one picture.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        self.terminal.draw(picture).map(drop)
    }

    /// Waits for a key or a signal that asks to end, no longer than `wait`; whether one came. `q`, Escape and
    /// Ctrl-C ask to end.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn is_left(&self, wait: Duration) -> io::Result<bool> {
        match event::poll(wait) {
            Ok(false) => {}
            Ok(true) => {
                if let Event::Key(key) = event::read()? {
                    let interrupt = key.code == KeyCode::Char('c')
                        && key.modifiers.contains(KeyModifiers::CONTROL);
                    let leaves = matches!(key.code, KeyCode::Char('q') | KeyCode::Esc);
                    if key.kind == KeyEventKind::Press && (interrupt || leaves) {
                        return Ok(true);
                    }
                }
            }
            // A signal: whether it asked to end is seen below.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        Ok(self.asked.load(Ordering::Relaxed))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
        for signal in self.signals.drain(..) {
            low_level::unregister(signal);
        }
    }
}
