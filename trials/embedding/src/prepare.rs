//! What a worker reads before its first trial, and what it makes of that for a base model.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use hpo_data::{Rows, Sets};
use hpo_protocol::embedding::{Models, PrecisionKind, PromptSet, RolePrompts, Settings, ValidationLoss};
use hpo_protocol::{Start, VERSION};
use tch::{Device, Kind, Tensor};

use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluations, Source};
use crate::examples::Examples;
use crate::kept_tokens::KeptTokens;
use crate::model::{Base, Frozen};
use crate::shared::Shared;
use crate::trial::CLASSIFIER;
use crate::validate::{RankingLoss, Validation};

/// Bytes that the weights of the base models used last may take up in a worker. Without a bound, a choice of many would leave no memory
/// for training; one that was dropped is loaded again when it is needed.
const KEPT: usize = 1 << 30;

/// `hpo` sends only what a trainer of its own release understands.
const SAME_RELEASE: &str = "if hpo and its trainer are of different releases, install both from one";

/// What a worker has read before its first trial: what is the same for all trials, whatever their base model and their prompts.
#[derive(Debug)]
pub struct Prepared {
    settings: Settings,
    device: Device,
    cache: Option<PathBuf>,
    threads: usize,
    loss: RankingLoss,
    precision: Rc<OnceCell<PrecisionKind>>,
    /// The rows; none if all trials share their tokens, as there is but one base model and no prompts of trials' own.
    sets: RefCell<Option<Rc<Sets>>>,
    /// The data of evaluations, likewise.
    sources: RefCell<Rc<Vec<Source>>>,
    /// The base models used last, the one used last at the end.
    loaded: RefCell<Vec<Loaded>>,
}

/// A base model, and what its trials share.
#[derive(Debug)]
struct Loaded {
    base: Rc<Base>,
    frozen: Rc<RefCell<BTreeMap<u64, Rc<Frozen>>>>,
    room: Rc<Cell<usize>>,
    /// What those with the same prompts share, by the name of these if they are not the study's.
    shared: BTreeMap<Option<String>, Rc<Shared>>,
}

/// Reads all that the trials of a study share. A base model among which they choose is loaded when it is needed first.
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
        .map_err(|error| Error::Invalid(format!("wrong settings under `[trial]`: {error}; {SAME_RELEASE}")))?;
    let gpu = std::env::var("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let device = device(&gpu, tch::Cuda::is_available(), is_built_for_cuda())?;
    let sets = hpo_data::load(&settings)?;
    eprintln!(
        "{} training examples, {} validation examples",
        sets.train.rows.len(),
        sets.validation.rows.len()
    );
    let sources = Source::all(&settings.evaluations)?;
    let prepared = Prepared {
        loss: ranking_loss(&settings, sets.report.kind)?,
        settings,
        device,
        cache: start.cache.clone(),
        threads: start.threads,
        precision: Rc::default(),
        sets: RefCell::new(Some(Rc::new(sets))),
        sources: RefCell::new(Rc::new(sources)),
        loaded: RefCell::default(),
    };
    if let Models::One(_) = prepared.settings.model {
        prepared.shared(None, None)?;
        if prepared.settings.prompt_sets.is_empty() {
            prepared.sets.take();
            prepared.sources.take();
        }
    }
    Ok(prepared)
}

impl Prepared {
    /// The values of the parameter `model` among which trials choose, or none alone if they all have the same base model.
    pub fn models(&self) -> Vec<Option<&str>> {
        let each = self.settings.model.each().into_iter();
        each.map(|(name, _)| name).collect()
    }

    /// What the trials of a base model with certain prompts share. `model` and `prompts` are the parameters by which they choose these,
    /// if they do.
    ///
    /// # Errors
    /// If there is no such choice, the model can't be used, or texts can't be tokenised behind the prompts.
    pub fn shared(&self, model: Option<&str>, prompts: Option<&str>) -> Result<Rc<Shared>> {
        let directory = self.settings.model.directory(model).ok_or_else(|| {
            let names: Vec<String> = self.models().iter().flatten().map(|name| format!("`{name}`")).collect();
            Error::Invalid(match (model, names.is_empty()) {
                (Some(model), false) => format!("`model` is `{model}`; it must be one of {}", names.join(", ")),
                (Some(_), true) => "`model` is chosen under `[trial]`; leave it out of the parameters".to_owned(),
                (None, _) => format!("`model` is missing; it must be one of {}", names.join(", ")),
            })
        })?;
        let mut loaded = self.loaded.borrow_mut();
        match loaded.iter().position(|own| own.base.directory == directory) {
            Some(place) => loaded[place..].rotate_left(1),
            None => loaded.push(self.load(directory)?),
        }
        let bytes = |loaded: &[Loaded]| loaded.iter().map(|own| own.base.weights.bytes()).sum::<usize>();
        while loaded.len() > 1 && bytes(&loaded) > KEPT {
            loaded.remove(0);
        }
        let last = loaded.len() - 1;
        let own = &mut loaded[last];
        let name = prompts.map(str::to_owned);
        if let Some(shared) = own.shared.get(&name) {
            return Ok(Rc::clone(shared));
        }
        let shared = Rc::new(self.tokenise(own, prompts)?);
        own.shared.insert(name, Rc::clone(&shared));
        Ok(shared)
    }

    /// Loads a base model.
    fn load(&self, directory: &Path) -> Result<Loaded> {
        let mut base = Base::load(directory, self.device)?;
        let (longest, max_length) = (base.config.longest(), self.settings.max_length);
        if i64::try_from(max_length).map_or(true, |length| length > longest) {
            return Err(Error::Invalid(format!(
                "max_length is {max_length}; {} takes at most {longest}",
                match self.settings.model {
                    Models::One(_) => "this model".to_owned(),
                    Models::Choice(_) => format!("the model `{}`", directory.display()),
                }
            )));
        }
        add_classifier(&mut base, self.sets()?.train.labels.len())?;
        Ok(Loaded {
            base: Rc::new(base),
            frozen: Rc::default(),
            room: Rc::new(Cell::new(Shared::ROOM / self.models().len())),
            shared: BTreeMap::new(),
        })
    }

    /// Tokenises the data for a base model, each text behind its prompt.
    fn tokenise(&self, Loaded { base, frozen, room, .. }: &Loaded, prompts: Option<&str>) -> Result<Shared> {
        let prompts = self.prompts(prompts, base)?;
        let sets = self.sets()?;
        let max_length = self.settings.max_length;
        let cache = self.cache.clone().map(Cache::new);
        let tokens = KeptTokens::new(&base.directory, max_length, base.config.vocab_size, cache);
        let examples = |data| Examples::of(data, &tokens, &prompts);
        let measured = |data, what: &str| -> Result<Validation> {
            let examples = examples(data)?;
            differ(&examples, what, &base.directory, max_length)?;
            Ok(Validation::new(examples, self.loss))
        };
        let mut train = examples(&sets.train)?;
        let validation = measured(&sets.validation, "validation")?;
        let test = sets.test.as_ref().map(|test| measured(test, "test")).transpose()?;
        let evaluations = Evaluations::of(&self.sources.borrow(), &tokens, &prompts)?;
        if sets.synonyms.is_some() {
            train = train.with_synonyms(sets, tokens.into_tokens()?);
        }
        Ok(Shared {
            base: Rc::clone(base),
            prompts,
            max_length,
            digest: train.digest(),
            train,
            validation,
            test,
            evaluations,
            threads: self.threads,
            fits: Cell::new(usize::MAX),
            precision: Rc::clone(&self.precision),
            frozen: Rc::clone(frozen),
            room: Rc::clone(room),
        })
    }

    fn sets(&self) -> Result<Rc<Sets>> {
        let sets = self.sets.borrow().clone();
        sets.ok_or_else(|| Error::Invalid("the data are not there any more".to_owned()))
    }

    /// What stands before each text for a base model: the prompts of that name, or the study's.
    fn prompts(&self, name: Option<&str>, base: &Base) -> Result<RolePrompts> {
        let set: Option<&PromptSet> = match name {
            None => self.settings.prompts.as_ref(),
            Some(name) => Some(self.settings.prompt_sets.get(name).ok_or_else(|| {
                Error::Invalid(format!(
                    "`prompts` is `{name}`; it must be the name of one of the `prompt_sets` under `[trial]`"
                ))
            })?),
        };
        Ok(set.map_or_else(RolePrompts::default, |set| set.roles(&base.prompts)))
    }
}

/// Checks that texts to measure with differ for a model, too.
///
/// # Errors
/// If all of one column are the same tokens.
pub(crate) fn differ(examples: &Examples, what: &str, model: &Path, max_length: usize) -> Result<()> {
    let Some((column, count)) = examples.alike() else {
        return Ok(());
    };
    let names = match examples.rows() {
        Rows::Labelled(_) => ["texts"; 3],
        Rows::Triplets(_) | Rows::Pairs(_) | Rows::Scored(_) => ["anchors", "positives", "negatives"],
    };
    let what = format!(
        "all {count} {} of the {what} data are the same tokens to the model `{}`, so that no trial is better than another",
        names[column],
        model.display()
    );
    Err(Error::Alike { what, max_length })
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
