//! What a search would take.

use hpo_protocol::{Cost, Unit, Values};
use serde::Serialize;

use super::format::{bytes, number, seconds, short};
use super::sheet::{Sheet, left_out};
use crate::executor::GpuMemory;
use crate::space::Parameter;
use crate::study::RungProgress;
use crate::words::{counted, listed};

/// What is known of a search before there is a study.
#[derive(Debug, Clone, Serialize)]
pub struct DryRun {
    /// The study's name.
    pub study: String,
    /// How many configurations are tried.
    pub trials: u64,
    /// In how many brackets; none if they are added one by one.
    pub brackets: Option<usize>,
    /// How many trainings confirm the best of them.
    pub confirming: u64,
    /// What the resource counts.
    pub resource_unit: Unit,
    /// The resource that all trials together are trained to, with what idle slots train ahead of decisions.
    pub resource: Option<Span>,
    /// The rungs.
    pub rungs: Vec<RungProgress>,
    /// The kinds of slots.
    pub slots: Vec<SlotsOfKind>,
    /// The seconds that all takes, if they can be foreseen.
    pub seconds: Option<Span>,
    /// Why they can't, if they can't.
    pub untimed: Option<String>,
    /// The seconds after which the search ends at the latest.
    pub time_limit: Option<f64>,
    /// The memory of this machine.
    pub memory: Option<Memory>,
    /// That of its GPUs.
    pub gpus: Vec<Gpu>,
    /// The disk of the study.
    pub disk: Option<Disk>,
    /// The configurations that were measured.
    pub measured: Vec<MeasuredConfiguration>,
    /// The parameters in which these differ.
    #[serde(skip)]
    pub parameters: Vec<Parameter>,
}

/// A number that is not known exactly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// The lowest that is to be expected.
    pub least: f64,
    /// The one in the middle.
    pub expected: f64,
    /// The highest.
    pub most: f64,
}

/// Slots of a kind.
#[derive(Debug, Clone, Serialize)]
pub struct SlotsOfKind {
    /// The name of each.
    pub name: String,
    /// How many there are.
    pub count: usize,
    /// Whether anything was measured on them.
    pub measured: bool,
}

/// Bytes of memory.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Memory {
    /// Of a worker, at most.
    pub each: u64,
    /// How many workers there are on this machine.
    pub workers: usize,
    /// What could be used before they were started, if known.
    pub available: Option<u64>,
}

/// A GPU of this machine.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Gpu {
    /// Its number.
    pub index: u32,
    /// Its memory when most of it was in use.
    #[serde(flatten)]
    pub memory: GpuMemory,
}

/// Bytes on the disk.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Disk {
    /// Of a checkpoint.
    pub checkpoint: u64,
    /// How many checkpoints there are at a time at most.
    pub checkpoints: usize,
    /// What can still be written, if known.
    pub free: Option<u64>,
}

/// A configuration as it was measured.
#[derive(Debug, Clone, Serialize)]
pub struct MeasuredConfiguration {
    /// The name of its slot.
    pub slot: String,
    /// Its values.
    pub parameters: Values,
    /// What it costs.
    pub cost: Option<Cost>,
    /// Why it can't be trained.
    pub error: Option<String>,
}

impl Span {
    /// The ends and the middle of some numbers; none of none.
    pub fn of(mut numbers: Vec<f64>) -> Option<Self> {
        numbers.sort_by(f64::total_cmp);
        Some(Self {
            least: *numbers.first()?,
            expected: numbers[numbers.len() / 2],
            most: *numbers.last()?,
        })
    }

    /// The same with this added to each.
    pub fn and(self, more: f64) -> Self {
        Self {
            least: self.least + more,
            expected: self.expected + more,
            most: self.most + more,
        }
    }
}

impl DryRun {
    /// What should be changed, a sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut all = Vec::new();
        if let Some(Memory {
            each,
            workers,
            available: Some(available),
        }) = self.memory
            && each.saturating_mul(workers as u64) > available
        {
            all.push(format!(
                "{} take {} of memory, and {} are available: lower `trials_per_device` under [slots], or `micro_batch_size` or \
                 `batch_size` under [space]",
                counted(workers, "worker"),
                bytes(each * workers as u64),
                bytes(available)
            ));
        }
        if let Some(Disk {
            checkpoint,
            checkpoints,
            free: Some(free),
        }) = self.disk
            && checkpoint.saturating_mul(checkpoints as u64) > free
        {
            all.push(format!(
                "the checkpoints take up to {}, and {} are free: make room, or name another directory for studies with --studies",
                bytes(checkpoint * checkpoints as u64),
                bytes(free)
            ));
        }
        for measured in &self.measured {
            let what = || format!("the configuration {}", serde_json::json!(measured.parameters));
            if let Some(error) = &measured.error {
                all.push(format!("{} can't be trained: {error}", what()));
            }
            if let Some(rows) = measured.cost.and_then(|cost| cost.micro_batch) {
                all.push(format!(
                    "for {} there is memory for {} at a time only: with `micro_batch_size` trials need not find that out",
                    what(),
                    counted(rows, "row")
                ));
            }
        }
        all
    }

    /// All of it, and how many columns do not fit into the width.
    pub fn text(&self, width: Option<usize>) -> String {
        let mut rows = vec![("trials", self.trials_in_words()), ("rungs", self.rungs_in_words())];
        let slots = self.slots.iter().map(|kind| match kind.count {
            1 => kind.name.clone(),
            count => format!("{count} × {}", kind.name),
        });
        rows.push(("slots", listed(slots, "; ")));
        rows.push(("time", self.time_in_words()));
        rows.extend(self.memory.iter().map(|memory| ("memory", memory.in_words())));
        rows.extend(self.gpus.iter().map(|gpu| {
            let GpuMemory { used, total } = gpu.memory;
            let text = format!("of GPU {}: {} of {} used", gpu.index, bytes(used), bytes(total));
            ("memory", text)
        }));
        rows.extend(self.disk.iter().map(|disk| ("disk", disk.in_words())));
        let mut text = format!("dry run of the study {}: nothing was created\n\n", self.study);
        for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
            text += &format!(" {name:<7} {value}\n");
        }
        if self.measured.iter().any(|measured| measured.cost.is_some()) {
            let (sheet, columns) = self.sheet().text(width);
            text += &format!(
                "\nmeasured on all slots at once\n{sheet}{}",
                left_out(columns, "--json")
            );
        }
        text
    }

    fn trials_in_words(&self) -> String {
        let mut text = match self.brackets {
            Some(brackets) => format!("{} in {}", self.trials, counted(brackets, "bracket")),
            None => format!("{}, added one by one", self.trials),
        };
        if self.confirming > 0 {
            text += &format!(", then {} that confirm", counted(self.confirming, "training"));
        }
        if let Some(Span { least, most, .. }) = self.resource {
            let units = self.resource_unit.many();
            text += &match least == most {
                true => format!("; {least} {units} in all"),
                false => format!("; {least} to {most} {units} in all"),
            };
        }
        text
    }

    /// The first with its unit, and how many trials come to each if that is known.
    fn rungs_in_words(&self) -> String {
        let rungs = self.rungs.iter().enumerate().map(|(place, rung)| {
            let unit = match place {
                0 => format!("{} ", self.resource_unit.one()),
                _ => String::new(),
            };
            match (rung.planned, place) {
                (Some(planned), 0) => format!("{unit}{}: {}", rung.resource, counted(planned, "trial")),
                (Some(planned), _) => format!("{}: {planned}", rung.resource),
                (None, _) => format!("{unit}{}", rung.resource),
            }
        });
        listed(rungs, ", ")
    }

    fn time_in_words(&self) -> String {
        let Some(Span { least, expected, most }) = self.seconds else {
            return format!(
                "not known: {}",
                self.untimed.as_deref().unwrap_or("nothing was measured")
            );
        };
        let of = |of: f64| seconds((1000.0 * of) as u64);
        let limit = self.time_limit.filter(|limit| *limit < most);
        let limit = limit.map_or(String::new(), |limit| format!("; its time limit is {}", of(limit)));
        match of(least) == of(most) {
            true => format!("about {}{limit}", of(expected)),
            false => format!(
                "about {} ({} if fast configurations turn out best, {} if slow ones do){limit}",
                of(expected),
                of(least),
                of(most)
            ),
        }
    }

    fn sheet(&self) -> Sheet {
        let one = self.resource_unit.one();
        let several = self.slots.len() > 1;
        let cells = |measured: &MeasuredConfiguration| {
            let cost = measured.cost?;
            let cell = |parameter: &Parameter| {
                let value = measured.parameters.get(&parameter.name);
                value.map_or("-".to_owned(), |value| short(parameter, value))
            };
            let mut cells: Vec<String> = self.parameters.iter().map(cell).collect();
            cells.extend([
                cost.step_seconds.map_or("-".to_owned(), number),
                number(cost.resource_seconds),
                number(cost.report_seconds),
                cost.memory_bytes.map_or("-".to_owned(), bytes),
                bytes(cost.checkpoint_bytes),
            ]);
            cells.extend(several.then(|| measured.slot.clone()));
            Some(cells)
        };
        let mut head: Vec<String> = self.parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let per = format!("s/{one}");
        head.extend(["s/step", &per, "s/report", "memory", "checkpoint"].map(str::to_owned));
        head.extend(several.then(|| "slot".to_owned()));
        let words = if several { vec![head.len() - 1] } else { Vec::new() };
        Sheet {
            rows: self.measured.iter().filter_map(cells).collect(),
            head,
            words,
        }
    }
}

impl Memory {
    fn in_words(self) -> String {
        let Self {
            each,
            workers,
            available,
        } = self;
        let available = available.map_or(String::new(), |there| format!("; {} available", bytes(there)));
        match workers {
            1 => format!("{} at most{available}", bytes(each)),
            workers => format!(
                "{} at most on each of {workers} slots, {} in all{available}",
                bytes(each),
                bytes(each * workers as u64)
            ),
        }
    }
}

impl Disk {
    fn in_words(self) -> String {
        let Self {
            checkpoint,
            checkpoints,
            free,
        } = self;
        let free = free.map_or(String::new(), |free| format!("; {} free", bytes(free)));
        let all = bytes(checkpoint * checkpoints as u64);
        format!(
            "{} of {} at a time at most, {all} in all{free}",
            counted(checkpoints, "checkpoint"),
            bytes(checkpoint)
        )
    }
}
