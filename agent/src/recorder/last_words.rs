//! What is lost can show, and the store can have room again, after the last record: while the backlog is
//! delivered. Whoever delivers asks the recorder before it ends, so that no loss stays unsaid.

use tokio::sync::{mpsc, oneshot};

use super::{RecorderError, Work};

/// The right to ask the recorder for its last words. While somebody has it, the recorder does not end.
#[derive(Debug)]
pub struct LastWords(mpsc::Sender<oneshot::Sender<bool>>);

/// Where the recorder hears that it is asked.
#[derive(Debug)]
pub struct Asked(mpsc::Receiver<oneshot::Sender<bool>>);

/// Both ends.
#[must_use]
pub fn last_words() -> (LastWords, Asked) {
    let (sender, receiver) = mpsc::channel(1);
    (LastWords(sender), Asked(receiver))
}

impl LastWords {
    /// Asks for gap records of what is lost and not yet said; `true` if there are new ones to deliver.
    pub async fn ask(&self) -> bool {
        let (sender, answer) = oneshot::channel();
        // A recorder that is gone has said everything it could.
        self.0.send(sender).await.is_ok() && answer.await.unwrap_or(false)
    }
}

impl Work {
    /// Answers until nobody can ask, and says in the log what it could say nowhere else.
    pub(super) async fn have_last_words(&mut self, mut asked: Asked) -> Result<(), RecorderError> {
        while let Some(answer) = asked.0.recv().await {
            let stated = self.state_losses().await?;
            if answer.send(stated).is_err() {
                tracing::debug!("nobody waits for the recorder's last words");
            }
        }
        self.state_losses().await?;
        for gap in &self.lost {
            let count = gap.count.unwrap_or(0);
            tracing::error!(lane = %gap.lane, count, cause = ?gap.cause, "lost, and the store has no room to say so");
        }
        Ok(())
    }
}
