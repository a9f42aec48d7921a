//! A bar on a terminal that shows how far a wave is; nothing where there is none.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar.
pub(super) struct Progress(ProgressBar);

impl Progress {
    /// Begins at nothing.
    pub(super) fn begin(title: &str, of: usize) -> Self {
        let bar = ProgressBar::new(u64::try_from(of).unwrap_or(u64::MAX));
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(title.to_owned());
        Self(bar)
    }

    /// Goes to a place.
    pub(super) fn at(&self, place: usize) {
        self.0
            .set_position(u64::try_from(place).unwrap_or(u64::MAX));
    }

    /// Takes the bar away.
    pub(super) fn end(self) {
        self.0.finish_and_clear();
    }
}

const TEMPLATE: &str = "{msg} [{bar:30}] {pos}/{len} {elapsed}";
