//! Asking a search to stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Asks a search to stop. Clones ask the same search.
#[derive(Debug, Clone)]
pub struct Cancellation {
    requests: Arc<watch::Sender<u64>>,
    received: watch::Receiver<u64>,
    /// How many requests have been handled.
    taken: u64,
}

impl Cancellation {
    /// A cancellation that has not been requested.
    pub fn new() -> Self {
        let (requests, received) = watch::channel(0);
        Self {
            requests: Arc::new(requests),
            received,
            taken: 0,
        }
    }

    /// The first request has running segments saved before the search ends; a second one ends it without waiting for them. What
    /// is recorded is safe either way.
    pub fn cancel(&self) {
        self.requests.send_modify(|requests| *requests += 1);
    }

    /// Handles one request, or waits for it.
    pub(crate) async fn requested(&mut self) {
        let taken = self.taken;
        // The channel can't be closed: this holds a sender.
        let _ = self.received.wait_for(|requests| *requests > taken).await;
        self.taken += 1;
    }
}

impl Default for Cancellation {
    fn default() -> Self {
        Self::new()
    }
}
