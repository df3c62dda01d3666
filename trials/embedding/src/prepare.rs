//! What a worker reads before its first trial, and what it makes of that for a base model.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hpo_data::Sets;
use hpo_protocol::embedding::{PrecisionKind, PromptSet, Prompts, Settings, ValidationLoss};
use hpo_protocol::{Start, VERSION};
use tch::{Device, Kind, Tensor};

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::examples::Examples;
use crate::kept_tokens::KeptTokens;
use crate::model::Base;
use crate::shared::Shared;
use crate::trial::CLASSIFIER;
use crate::validate::{RankingLoss, Validation};

/// What is the same for all trials of a worker, whatever their base model.
#[derive(Debug)]
struct Ground {
    settings: Settings,
    device: Device,
    cache: Option<PathBuf>,
    threads: usize,
    loss: RankingLoss,
    precision: Rc<OnceCell<PrecisionKind>>,
}

/// What a worker has read before its first trial.
#[derive(Debug)]
pub struct Prepared {
    ground: Ground,
    shared: Rc<Shared>,
    /// The data, if they may be needed again.
    sets: Option<Rc<Sets>>,
    /// What trials with prompts of their own share, by their names.
    prompted: RefCell<BTreeMap<String, Rc<Shared>>>,
}

impl Prepared {
    /// What trials share that have no prompts of their own.
    pub fn shared(&self) -> &Rc<Shared> {
        &self.shared
    }

    /// What trials share whose parameter `prompts` is that.
    ///
    /// # Errors
    /// If there are no prompts of that name, or texts can't be tokenised behind them.
    pub fn of(&self, prompts: Option<&str>) -> Result<Rc<Shared>> {
        let Some(name) = prompts else {
            return Ok(Rc::clone(&self.shared));
        };
        if let Some(shared) = self.prompted.borrow().get(name) {
            return Ok(Rc::clone(shared));
        }
        let (Some(sets), Some(prompts)) = (&self.sets, self.ground.settings.prompt_sets.get(name)) else {
            return Err(Error::Invalid(format!(
                "`prompts` is `{name}`; it must be the name of one of the `prompt_sets` under `[trial]`"
            )));
        };
        let shared = Rc::new(
            self.ground
                .tokenise(Rc::clone(&self.shared.base), prompts, sets, Some(&self.shared))?,
        );
        self.prompted.borrow_mut().insert(name.to_owned(), Rc::clone(&shared));
        Ok(shared)
    }
}

/// Reads all that the trials of a study share.
///
/// # Errors
/// Names the file or setting that is wrong, and the fix.
pub fn prepare(start: &Start) -> Result<Prepared> {
    if start.protocol != VERSION {
        let theirs = start.protocol;
        return Err(Error::Invalid(format!(
            "hpo speaks version {theirs} of the worker protocol, this worker version {VERSION}; install both from one release"
        )));
    }
    let settings: Settings = serde_json::from_value(serde_json::json!(start.settings))
        .map_err(|error| Error::Invalid(format!("wrong settings under `[trial]`: {error}")))?;
    let gpu = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let device = device(&gpu, tch::Cuda::is_available(), is_built_for_cuda())?;
    let sets = hpo_data::load(&settings)?;
    eprintln!(
        "{} training examples, {} validation examples",
        sets.train.rows.len(),
        sets.validation.rows.len()
    );
    let ground = Ground {
        loss: ranking_loss(&settings, sets.report.kind)?,
        settings,
        device,
        cache: start.cache.clone(),
        threads: start.threads,
        precision: Rc::default(),
    };
    let sets = Rc::new(sets);
    let shared = Rc::new(ground.load(&ground.settings.model, &sets)?);
    Ok(Prepared {
        sets: (!ground.settings.prompt_sets.is_empty()).then_some(sets),
        ground,
        shared,
        prompted: RefCell::default(),
    })
}

impl Ground {
    /// Loads a base model, and tokenises the data for it.
    fn load(&self, directory: &Path, sets: &Rc<Sets>) -> Result<Shared> {
        let mut base = Base::load(directory, self.device)?;
        let (longest, max_length) = (base.config.longest(), self.settings.max_length);
        if i64::try_from(max_length).map_or(true, |length| length > longest) {
            return Err(Error::Invalid(format!(
                "max_length is {max_length}; this model takes at most {longest}"
            )));
        }
        add_classifier(&mut base, sets.train.labels.len())?;
        let none = PromptSet::Own(Prompts::default());
        let prompts = self.settings.prompts.as_ref().unwrap_or(&none);
        self.tokenise(Rc::new(base), prompts, sets, None)
    }

    /// Tokenises the data for a base model, each text behind its prompt. `other` is what trials of this model with other prompts share.
    fn tokenise(&self, base: Rc<Base>, prompts: &PromptSet, sets: &Rc<Sets>, other: Option<&Shared>) -> Result<Shared> {
        let prompts = prompts.roles(&base.prompts);
        let max_length = self.settings.max_length;
        let cache = self.cache.clone().map(Cache::new);
        let tokens = KeptTokens::new(&base.directory, max_length, base.config.vocab_size, cache);
        let examples = |data| Examples::of(data, &tokens, &prompts);
        let mut train = examples(&sets.train)?;
        let validation = Validation::new(examples(&sets.validation)?, self.loss);
        let test = sets.test.as_ref().map(examples).transpose()?;
        if sets.synonyms.is_some() {
            train = train.with_synonyms(Rc::clone(sets), tokens.into_tokens()?);
        }
        Ok(Shared {
            base,
            prompts,
            max_length,
            digest: train.digest(),
            train,
            validation,
            test: test.map(|test| Validation::new(test, self.loss)),
            threads: self.threads,
            fits: Cell::new(usize::MAX),
            precision: Rc::clone(&self.precision),
            frozen: other.map_or_else(Rc::default, |other| Rc::clone(&other.frozen)),
            room: other.map_or_else(|| Rc::new(Cell::new(Shared::ROOM)), |other| Rc::clone(&other.room)),
        })
    }
}

/// The validation loss of triplets and pairs.
fn ranking_loss(settings: &Settings, kind: hpo_data::Kind) -> Result<RankingLoss> {
    let margin = settings.validation_margin.unwrap_or(Settings::VALIDATION_MARGIN);
    if !(margin > 0.0 && margin.is_finite()) {
        return Err(Error::Invalid(format!(
            "validation_margin is {margin}; it must be above 0"
        )));
    }
    let of_triplets = kind == hpo_data::Kind::Triplets;
    let loss = match settings.validation_loss {
        Some(loss) => loss,
        None if of_triplets => ValidationLoss::Triplet,
        None => ValidationLoss::Auto,
    };
    if !loss.is_for(kind) {
        return Err(Error::Invalid(format!(
            "the validation_loss `{loss}` can't be computed for {kind}; leave it out"
        )));
    }
    Ok(match loss {
        ValidationLoss::Auto if of_triplets => RankingLoss::LogRank,
        ValidationLoss::LogRank => RankingLoss::LogRank,
        ValidationLoss::Auto | ValidationLoss::CrossEntropy => RankingLoss::CrossEntropy,
        ValidationLoss::Triplet => RankingLoss::Triplet { margin },
    })
}

/// The device of a slot to which `hpo` has given this GPU, or none. A GPU that is lost must not be made up for by a CPU, on which
/// a trial would take a hundred times as long; a libtorch without CUDA can only use the CPU.
fn device(gpu: &str, available: bool, built_for_cuda: bool) -> Result<Device> {
    match (available, built_for_cuda && !gpu.is_empty()) {
        (true, _) => Ok(Device::Cuda(0)),
        (false, false) => Ok(Device::Cpu),
        (false, true) => Err(Error::Invalid(format!(
            "the GPU {gpu} can't be used: nvidia-smi may show why; to train on the CPU, give `--devices cpu`"
        ))),
    }
}

/// Whether this libtorch can use GPUs at all.
fn is_built_for_cuda() -> bool {
    std::fs::read_to_string("/proc/self/maps").is_ok_and(|maps| maps.contains("libtorch_cuda"))
}

/// Adds the layer of labels to the untrained model: zeros, so that it begins by finding all labels equally likely.
fn add_classifier(base: &mut Base, labels: usize) -> Result<()> {
    if labels > 0 {
        let options = (Kind::Float, base.device);
        let shape = [labels as i64, base.config.hidden_size];
        base.weights.push(CLASSIFIER[0], Tensor::f_zeros(shape, options)?);
        base.weights
            .push(CLASSIFIER[1], Tensor::f_zeros([labels as i64], options)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_gpu_is_reported_and_not_replaced_by_the_cpu() {
        assert_eq!(device("GPU-1", true, true).ok(), Some(Device::Cuda(0)));
        assert_eq!(device("", false, true).ok(), Some(Device::Cpu));
        assert_eq!(device("GPU-1", false, false).ok(), Some(Device::Cpu));
        let lost = device("GPU-1", false, true).map_err(|error| error.to_string());
        assert!(lost.is_err_and(|message| message.starts_with("the GPU GPU-1 can't be used")));
    }
}
