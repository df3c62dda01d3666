//! At the end of a study, the best trial's model.

use std::path::PathBuf;

use super::{Clock, Scheduler, Slots, Storage};
use crate::executor::Order;
use crate::export::Card;
use crate::ids::{SlotId, TrialId};
use crate::study::TestResults;

/// The state of the export.
pub(super) enum Export {
    Unasked,
    /// A slot is writing the model of a trial.
    Asked(SlotId, TrialId),
    Done(Result<PathBuf, String>),
}

impl Export {
    pub(super) fn is_done(&self) -> bool {
        matches!(self, Self::Done(_))
    }

    /// The trial whose model is being written.
    pub(super) fn trial(&self) -> Option<TrialId> {
        match self {
            Self::Asked(_, trial) => Some(*trial),
            Self::Unasked | Self::Done(_) => None,
        }
    }

    /// Where the model is, or why there is none; `None` if the export was not reached.
    pub(super) fn result(self) -> Option<Result<PathBuf, String>> {
        match self {
            Self::Done(result) => Some(result),
            Self::Unasked | Self::Asked(..) => None,
        }
    }
}

impl<S: Slots, J: Storage, C: Clock> Scheduler<'_, S, J, C> {
    /// Once nothing is left to train, or a limit has ended the search, has the best trial's model written.
    pub(super) async fn export_best(&mut self) {
        let asked = !matches!(self.export, Export::Unasked);
        if asked || !self.can_export || !self.study.is_at_rest() {
            return;
        }
        let Some(best) = self.study.exportable() else { return };
        let trial = best.id;
        let Some(checkpoint) = best.best_checkpoint().cloned() else {
            self.export = Export::Done(Err(match self.study.spec().trainer.script {
                true if self.study.checkpoint_files().is_empty() => {
                    "the script left nothing in {checkpoint_dir} when it ended".to_owned()
                }
                _ => format!(
                    "the checkpoint of trial {trial} is lost; hpo export writes its configuration, with which hpo train trains it again"
                ),
            }));
            return;
        };
        if let Some((&slot, _)) = self.idle.first_key_value() {
            let export = Order::Export {
                checkpoint,
                directory: self.storage.model_directory(),
                known: self.study.evaluated(best),
            };
            self.export = Export::Asked(slot, trial);
            self.slots.order(slot, export).await;
        }
    }

    /// Moves the model that was written to its place. It may be large: the user may stop that too.
    pub(super) async fn keep_model(&mut self, written: PathBuf, results: &TestResults) {
        let best = self.study.exportable();
        let card = best.and_then(|best| Card::of(&self.study, best, results));
        let placed = tokio::select! {
            biased;
            () = self.cancellation.requested() => {
                self.stopping = Some(self.clock.elapsed());
                self.hurried = true;
                Err("it was stopped".into())
            }
            placed = self.storage.place_model(written, card) => placed.map_err(|error| error.to_string()),
        };
        self.export = Export::Done(placed);
    }

    /// Has the model written again, as often as a segment is tried again.
    pub(super) fn export_failed(&mut self, why: String) {
        self.storage.discard_model();
        self.export_failures += 1;
        let again = self.export_failures <= self.study.spec().retries;
        self.export = match again {
            true => Export::Unasked,
            false => Export::Done(Err(why)),
        };
    }
}
