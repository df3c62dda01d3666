//! Signs of life: when a worker was last heard of.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, sleep_until};

/// When something was last heard of a worker. Clones tell of the same worker.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<Instant>>);

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// Begins to wait anew.
    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns once nothing has been heard for so long; never without a limit.
    pub(super) async fn silent_for(&self, limit: Option<Duration>) {
        let Some(limit) = limit else {
            return std::future::pending().await;
        };
        loop {
            let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // A limit beyond the end of time is none.
            let Some(due) = last.checked_add(limit) else {
                return std::future::pending().await;
            };
            if Instant::now() >= due {
                return;
            }
            sleep_until(due).await;
        }
    }
}

/// A pipe from a worker: whatever comes through it is a sign of life.
pub(super) struct Listened<R> {
    pub(super) pipe: R,
    pub(super) pulse: Pulse,
}

impl<R: AsyncRead + Unpin> AsyncRead for Listened<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.pipe).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.pulse.beat();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    #[tokio::test(start_paused = true)]
    async fn silence_lasts_from_the_last_byte() {
        let pulse = Pulse::new();
        let (minute, began) = (Duration::from_secs(60), Instant::now());
        let heard = async {
            tokio::time::sleep(minute / 2).await;
            let mut pipe = Listened {
                pipe: &b"."[..],
                pulse: pulse.clone(),
            };
            pipe.read_u8().await.unwrap();
        };
        tokio::join!(heard, pulse.silent_for(Some(minute)));
        assert_eq!(began.elapsed(), minute * 3 / 2);
        let forever = tokio::time::timeout(minute * 1_000_000, pulse.silent_for(None));
        assert!(forever.await.is_err());
    }
}
