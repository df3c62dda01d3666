//! What others ask for while the study is trained.

use super::{Clock, Scheduler, SchedulerError, Slots, Storage};
use crate::store::Request;
use crate::study::Step;

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// Does what has been asked for. Once nothing is left to train, whoever asks can soon do it.
    pub(super) async fn obey(&mut self) -> Result<(), SchedulerError> {
        let requests = match self.study.is_finished() {
            true => Vec::new(),
            false => self.storage.requests(),
        };
        if requests.is_empty() {
            return Ok(());
        }
        let mut step = Step::default();
        let mut stops = false;
        for request in requests {
            // One that was meant for an earlier process is over.
            stops |= request
                == Request::Stop {
                    process: std::process::id(),
                };
            if let Some(event) = request.event() {
                step.append(self.handle(event));
            }
        }
        self.carry_out(step).await?;
        self.storage.fulfilled();
        if stops && self.stopping.is_none() {
            self.stop().await;
        }
        self.take(Vec::new()).await
    }
}
