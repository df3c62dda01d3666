//! `hpo search --dry-run`: what a search would take, without its study.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hpo_protocol::embedding::{COSTLY, Parameters};
use hpo_protocol::{BASE_MODEL, Cost, Values};
use serde_json::json;

use super::CliError;
use super::checked::tell_data;
use super::from::EarlierStudy;
use super::machines::{parent, seen};
use super::prepared::{Before, Prepared};
use super::run::{Private, SlotArguments};
use super::space::first;
use super::study::{print, print_json};
use crate::analysis::most_different_first;
use crate::disk::{make_private, remove_abandoned, room};
use crate::executor::{Measurements, Measuring, Own, SegmentSpec, Slot};
use crate::ids::SegmentId;
use crate::memory;
use crate::scheduler::SchedulerError;
use crate::signals::Signals;
use crate::simulate::{CostOfKind, Costs, Foreseen, Winners, foresee};
use crate::space::Parameter;
use crate::store::{StoreError, StudyDirectory};
use crate::study::{SamplerSpec, StopSpec, Study, StudySpec, Trial};
use crate::study_file::{self, StudyFile};
use crate::view::dry_run::{Disk, DryRun, Gpu, MeasuredConfiguration, Memory, SlotsOfKind, Span};
use crate::view::{self, Verbosity, notify};

/// Of so many configurations that are drawn first those are measured that differ most.
const DRAWN: usize = 200;
/// How many are measured on a kind of slot at most,
const MOST: usize = 8;
/// after how long no other is begun,
const ENOUGH: Duration = Duration::from_secs(10);
/// and how many seconds of training are enough for one.
const SECONDS: f64 = 2.0;

/// With how many lots it is foreseen who turns out best.
const LOTS: u64 = 5;
/// Studies of more trials take too long to foresee,
const FORESEEN: u64 = 20_000;
/// and those of more trials whose sampler learns are foreseen as if it drew at random.
const LEARNING: u64 = 300;

/// The beginning of the names of directories in which workers write while they measure.
const SCRATCH: &str = ".hpo-dry-run-";

/// Prints what the search of a file would take.
///
/// # Errors
/// Those with which the search would end at once.
pub(super) fn dry_run(
    file: &StudyFile,
    directory: &StudyDirectory,
    from: Option<EarlierStudy>,
    arguments: &SlotArguments,
    json: bool,
) -> Result<(), CliError> {
    let _private = Private::new();
    let settings = arguments.over(&file.slots)?;
    let before = Before::find(file, directory, from.as_ref())?;
    if directory.has_study() {
        drop(directory.lock()?);
    }
    // Other machines are asked whether they see it.
    let _missing = Missing::of(directory);
    let prepared = Prepared::of(file, directory, &settings)?;
    let kind = prepared.data.as_ref().map(|report| report.kind);
    match (&before, from) {
        (Before::Same { .. }, _) => notify(&format!(
            "note: there is a study {}, with which the search goes on. This is all of it, and `hpo status` says what is left",
            directory.root().display()
        )),
        (Before::Nothing | Before::Untrained(_), Some(from)) => {
            from.take(file, &prepared.spec, &prepared.origin, kind)?;
        }
        (Before::Nothing | Before::Untrained(_), None) => {}
    }
    tell_data(prepared.data.clone(), arguments.verbosity());
    study_file::script_notes(file).iter().for_each(|note| notify(note));
    let found = Plan::new(&prepared).find(directory, arguments.verbosity())?;
    for warning in found.warnings() {
        notify(&format!("warning: {warning}"));
    }
    match json {
        true => print_json(&json!(found)),
        false => print(&found.text(view::size_of_stdout().map(|(columns, _)| columns))),
    }
}

/// Directories that were missing, and are so again when this is dropped.
struct Missing(Vec<PathBuf>);

impl Missing {
    /// Those above a study.
    fn of(directory: &StudyDirectory) -> Self {
        let above = seen(directory).ancestors();
        let missing = above.take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        Self(missing.map(PathBuf::from).collect())
    }
}

impl Drop for Missing {
    fn drop(&mut self) {
        for path in &self.0 {
            // What others have put something into stays.
            let _ = fs::remove_dir(path);
        }
    }
}

/// A directory like that of a study, for as long as workers measure.
struct Scratch(StudyDirectory);

impl Scratch {
    /// Makes one beside the study, or as near to it as there is a directory.
    fn beside(study: &StudyDirectory) -> Result<Self, CliError> {
        let mut place = parent(study.root());
        while !place.is_dir() && parent(place) != place {
            place = parent(place);
        }
        remove_abandoned(place, |name| name.strip_prefix(SCRATCH));
        let root = place.join(format!("{SCRATCH}{}", std::process::id()));
        let scratch = Self(StudyDirectory::new(&root));
        make_private(&root)
            .and_then(|()| make_private(&scratch.0.checkpoints()))
            .and_then(|()| make_private(&scratch.0.logs()))
            .map_err(|source| StoreError::Io { path: root, source })?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(self.0.root());
    }
}

/// A search, and what of it is measured.
struct Plan<'a> {
    prepared: &'a Prepared,
    /// The names of the kinds of slots, and the kind of each slot.
    names: Vec<String>,
    kinds: Vec<usize>,
    drawn: Vec<Trial>,
    /// The parameters that decide what trials cost.
    parameters: Vec<&'a Parameter>,
}

impl<'a> Plan<'a> {
    fn new(prepared: &'a Prepared) -> Self {
        let mut names: Vec<String> = Vec::new();
        let mut kinds = Vec::new();
        for slot in &prepared.slots {
            let name = kind_of(slot);
            let place = names.iter().position(|known| *known == name);
            kinds.push(place.unwrap_or(names.len()));
            if place.is_none() {
                names.push(name);
            }
        }
        let spec = &prepared.spec;
        let embedding = spec.trainer.command.is_none();
        let parameters = spec.space.parameters.iter();
        let decides = |parameter: &&Parameter| {
            !parameter.distribution.is_fixed() && (!embedding || COSTLY.contains(&parameter.name.as_str()))
        };
        Self {
            prepared,
            names,
            kinds,
            drawn: first(spec.clone(), DRAWN, DRAWN),
            parameters: parameters.filter(decides).collect(),
        }
    }

    /// Measures, and foresees the rest.
    fn find(&self, directory: &StudyDirectory, verbosity: Verbosity) -> Result<DryRun, CliError> {
        let Prepared { spec, slots, .. } = self.prepared;
        let available = memory::available();
        let here = slots.iter().filter(|slot| slot.host.is_none() && slot.job.is_none());
        let workers = here.count();
        let (segments, least) = self.segments();
        let (measurements, free) = self.measure(directory, (&segments, least), verbosity)?;
        let (costs, measured) = self.costs(&segments, &measurements);
        let foreseen = self.foresee(&costs);
        let study = Study::new(spec.clone());
        let each = || measured.iter().filter_map(|one| one.cost);
        let of = |of: fn(&Foreseen) -> f64| Span::of(foreseen.iter().map(of).collect());
        let checkpoint = each().map(|cost| cost.checkpoint_bytes).max().unwrap_or(0);
        Ok(DryRun {
            study: spec.name.clone(),
            trials: spec.trials,
            brackets: spec.policy.is_synchronous().then(|| study.brackets()[2]),
            confirming: study.planned_runs(),
            resource_unit: spec.policy.unit,
            resource: of(|foreseen| foreseen.resource as f64),
            rungs: study.rungs(),
            slots: self.slots(&measurements),
            seconds: of(|foreseen| foreseen.seconds)
                .filter(|_| each().next().is_some())
                .map(|span| span.and(self.around(&measurements, each()))),
            untimed: self.untimed(&measurements),
            time_limit: spec.stop.time_ms.map(|ms| ms as f64 / 1000.0),
            memory: each().filter_map(|cost| cost.memory_bytes).max().map(|each| Memory {
                each,
                workers,
                available,
            }),
            gpus: (measurements.gpus.iter())
                .map(|(&index, &memory)| Gpu { index, memory })
                .collect(),
            disk: (checkpoint > 0).then(|| Disk {
                checkpoint,
                checkpoints: foreseen.iter().map(|foreseen| foreseen.checkpoints).max().unwrap_or(0),
                free,
            }),
            measured,
            parameters: self.parameters.iter().copied().cloned().collect(),
        })
    }

    /// The segments that may be measured, and how many have to be. Of each base model the one comes first that takes most memory.
    fn segments(&self) -> (Vec<SegmentSpec>, usize) {
        let spec = &self.prepared.spec;
        let values: Vec<&Values> = self.drawn.iter().map(|trial| &trial.parameters).collect();
        let mut largest: Vec<(Option<&serde_json::Value>, u64, usize)> = Vec::new();
        for (place, values) in values.iter().enumerate() {
            let Some(size) = size(values).filter(|_| spec.trainer.command.is_none()) else {
                continue;
            };
            let model = values.get(BASE_MODEL);
            match largest.iter_mut().find(|(known, ..)| *known == model) {
                Some(known) if known.1 >= size => {}
                Some(known) => *known = (model, size, place),
                None => largest.push((model, size, place)),
            }
        }
        let first: Vec<usize> = largest.into_iter().map(|(.., place)| place).collect();
        let order = most_different_first(&self.parameters, &values, &first);
        let segment = |place: usize| {
            let (trial, policy) = (&self.drawn[place], &spec.policy);
            SegmentSpec {
                segment: SegmentId {
                    trial: trial.id,
                    attempt: 1,
                },
                seed: trial.seed,
                parameters: trial.parameters.clone(),
                unit: policy.unit,
                report_every: policy.report_every,
                from: 0,
                to: policy.rungs().first().copied().unwrap_or(policy.max_resource),
                max: policy.max_resource,
                checkpoint: None,
            }
        };
        let most = MOST.max(first.len());
        (order.into_iter().take(most).map(segment).collect(), first.len().max(1))
    }

    /// Has workers measure, and looks how much room there is where they write. A script does nothing but train.
    fn measure(
        &self,
        directory: &StudyDirectory,
        (segments, least): (&[SegmentSpec], usize),
        verbosity: Verbosity,
    ) -> Result<(Measurements, Option<u64>), CliError> {
        let scratch = Scratch::beside(directory)?;
        let free = room(scratch.0.root());
        let mut program = self.prepared.program.clone();
        // Nothing is to be left in it.
        program.cache = None;
        let places: Vec<usize> = (0..self.kinds.len())
            .filter(|place| self.prepared.slots[*place].job.is_none())
            .collect();
        let slots: Vec<Slot> = places.iter().map(|place| self.prepared.slots[*place].clone()).collect();
        let kinds: Vec<usize> = places.iter().map(|place| self.kinds[*place]).collect();
        if slots.is_empty() || program.own == Some(Own::Script) {
            return Ok((Measurements::default(), free));
        }
        if verbosity > Verbosity::Quiet {
            notify("timing a few steps, which takes about ten seconds …");
        }
        let measuring = Measuring {
            slots: &slots,
            kinds: &kinds,
            program: &program,
            segments,
            least,
            enough: ENOUGH,
            seconds: SECONDS,
        };
        // What messages name is no more when they are read.
        let logs = format!("{}/", scratch.0.logs().display());
        let cannot = |error: std::io::Error| CliError::Failed(format!("can't wait for workers: {error}"));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(cannot)?;
        let measured = runtime.block_on(async {
            let mut signals = Signals::listen().map_err(cannot)?;
            tokio::select! {
                measured = measuring.run(&scratch.0) => {
                    measured.map_err(|error| CliError::Scheduler(SchedulerError::Fatal(error.to_string().replace(&logs, ""))))
                }
                () = signals.received() => Err(CliError::Stopped),
            }
        });
        // Workers are killed with what watches them.
        drop(runtime);
        let mut measured = measured?;
        for one in &mut measured.measured {
            one.cost = std::mem::replace(&mut one.cost, Ok(Cost::default())).map_err(|why| why.replace(&logs, ""));
        }
        for (_, text) in std::mem::take(&mut measured.remarks) {
            notify(&format!("note: {text}"));
        }
        for (slot, why) in &measured.unfit {
            notify(&format!(
                "warning: no trial can run on slot {slot}: {}",
                why.replace(&logs, "")
            ));
        }
        Ok((measured, free))
    }

    /// What trials cost on each kind of slot, and what that was measured of. A kind on which nothing was measured is taken to be like the
    /// first one.
    fn costs(&self, segments: &[SegmentSpec], measurements: &Measurements) -> (Costs, Vec<MeasuredConfiguration>) {
        let slots = &self.prepared.slots;
        let place = |id| slots.iter().position(|slot| slot.id == id).unwrap_or(0);
        let mut of_kind: Vec<Vec<(&Values, &Cost)>> = vec![Vec::new(); self.names.len()];
        let mut rows = Vec::new();
        for one in &measurements.measured {
            let (kind, values) = (self.kinds[place(one.slot)], &segments[one.segment].parameters);
            of_kind[kind].extend(one.cost.as_ref().ok().map(|cost| (values, cost)));
            rows.push(MeasuredConfiguration {
                slot: self.names[kind].clone(),
                parameters: values.clone(),
                cost: one.cost.as_ref().ok().copied(),
                error: one.cost.as_ref().err().cloned(),
            });
        }
        let known = of_kind.iter().find(|known| !known.is_empty()).cloned();
        let every = self.prepared.spec.policy.report_every;
        let kinds = of_kind.into_iter().map(|own| match own.is_empty() {
            true => CostOfKind::of(&self.parameters, &known.clone().unwrap_or_default(), every),
            false => CostOfKind::of(&self.parameters, &own, every),
        });
        let costs = Costs {
            kinds: kinds.collect(),
            of_slot: self.kinds.clone(),
        };
        (costs, rows)
    }

    /// The search, with the configurations that it draws, as often as there are assumptions on which of them turn out best.
    fn foresee(&self, costs: &Costs) -> Vec<Foreseen> {
        let mut spec: StudySpec = self.prepared.spec.clone();
        if spec.trials > FORESEEN {
            return Vec::new();
        }
        if spec.sampler.is_adaptive() && spec.trials > LEARNING {
            spec.sampler = SamplerSpec::Random;
        }
        // Whether it ends before nobody knows.
        spec.stop = StopSpec {
            time_ms: None,
            no_better: None,
            ..spec.stop
        };
        let costs = Arc::new(costs.clone());
        let lots = (0..LOTS).map(Winners::ByLot);
        let all = lots.chain([Winners::Faster, Winners::Slower]);
        all.map(|winners| foresee(spec.clone(), &costs, winners)).collect()
    }

    /// The seconds before the first trial and after the last one: to start, and to measure the untrained model and the exported one.
    fn around(&self, measurements: &Measurements, costs: impl Iterator<Item = Cost>) -> f64 {
        let once: Vec<f64> = costs
            .map(|cost| cost.report_seconds + cost.rung_seconds + cost.end_seconds)
            .collect();
        measurements.ready.map_or(0.0, |ready| ready.as_secs_f64())
            + 2.0 * once.iter().sum::<f64>() / once.len().max(1) as f64
    }

    fn slots(&self, measurements: &Measurements) -> Vec<SlotsOfKind> {
        let of = |kind: usize| self.kinds.iter().enumerate().filter(move |(_, own)| **own == kind);
        let names = self.names.iter().enumerate().map(|(kind, name)| SlotsOfKind {
            name: name.clone(),
            count: of(kind).count(),
            measured: of(kind).any(|(place, _)| {
                let id = self.prepared.slots[place].id;
                measurements.measured.iter().any(|one| one.slot == id)
            }),
        });
        names.collect()
    }

    /// Why nothing was measured, if nothing was.
    fn untimed(&self, measurements: &Measurements) -> Option<String> {
        let Prepared {
            spec, slots, program, ..
        } = self.prepared;
        if measurements.measured.iter().any(|one| one.cost.is_ok()) {
            return (spec.trials > FORESEEN).then(|| "there are too many trials to foresee it".to_owned());
        }
        Some(match &spec.trainer.command {
            _ if slots.iter().all(|slot| slot.job.is_some()) => "Slurm gives slots only to a search".to_owned(),
            _ if !measurements.measured.is_empty() => "no configuration that was tried can be trained".to_owned(),
            Some(_) if program.own == Some(Own::Script) => {
                "a script can only be timed by training with it; the search estimates it from its first reports"
                    .to_owned()
            }
            Some(_) | None => {
                "this trainer does not answer `measure`; the search estimates it from its first reports".to_owned()
            }
        })
    }
}

/// What slots have in common that are equally fast.
fn kind_of(slot: &Slot) -> String {
    let threads = slot.threads;
    match (&slot.job, &slot.gpu, &slot.host) {
        (None, Some(gpu), Some(host)) => format!("{host}: {}, {threads} threads", gpu.name),
        (None, Some(gpu), None) => format!("{}, {threads} threads", gpu.name),
        _ => slot.name(),
    }
}

/// What the memory of a trial of the embedding trainer grows with: the rows that are embedded at a time, and their tokens.
fn size(values: &Values) -> Option<u64> {
    let parameters: Parameters = serde_json::from_value(json!(values)).ok()?;
    let rows = parameters.micro_batch_size.unwrap_or(parameters.batch_size);
    Some(rows.min(parameters.batch_size) * parameters.max_length.unwrap_or(1))
}
