//! At which resources the reports of a script are.
//!
//! A script says it itself, or its reports are counted. Counted reports have an ambiguity that only its end resolves: one that has
//! printed one value may have printed the first or the last; and one that was given what it had left may have gone on from there or
//! have begun anew. So what can't be placed yet is held back.

use std::collections::BTreeMap;

use hpo_protocol::Unit;

use crate::collect::Collected;

/// Values that differ by more than this share of the larger one are different results, not rounding or an unlucky order of sums.
const NOISE: f64 = 0.01;

/// A report whose resource is known.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Report {
    /// The resource.
    pub resource: u64,
    /// The metrics, the objective among them.
    pub values: BTreeMap<String, f64>,
    /// Whether the trial ends here by itself.
    pub last: bool,
}

/// Where reports are due.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Due {
    /// What resources count.
    pub unit: Unit,
    /// The resource that is known.
    pub from: u64,
    /// The end of the segment.
    pub to: u64,
    /// Reports are due at the multiples of this, and at the end.
    pub every: u64,
}

impl Due {
    /// How many reports are due from a resource to the end.
    fn count(self, from: u64) -> u64 {
        (self.to - 1) / self.every - from / self.every + 1
    }

    /// The resource of the one of that number, from 1.
    fn nth(self, from: u64, number: u64) -> u64 {
        ((from / self.every).saturating_add(number))
            .saturating_mul(self.every)
            .min(self.to)
    }

    fn is_due(self, resource: u64) -> bool {
        resource.is_multiple_of(self.every) || resource == self.to
    }

    /// How many there are, in words.
    fn words(self, from: u64) -> String {
        let (count, unit, many) = (self.count(from), self.unit.one(), self.unit.many());
        let each = match self.every {
            1 => format!("one each {unit}"),
            every => format!("one each {every} {many}"),
        };
        match count {
            1 => format!("1 is due, at {unit} {}", self.to),
            count => format!("{count} are due, {each} after {from} up to {}", self.to),
        }
    }
}

/// Why reports have no place.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub(crate) enum Misplaced {
    /// There are more than there can be.
    #[error(
        "the script has reported `{objective}` more often than it can: {due}. Let what finds it find one value for each report, set \
         `report_every` under [policy], or say by `resource` under `metrics` what a value belongs to. If it can't be told how far to train, and \
         always reports as often, write that number as `max_resource`, and `type = \"none\"`, under [policy]"
    )]
    TooMany {
        /// The objective.
        objective: String,
        /// How many are due, in words.
        due: String,
    },
    /// There are fewer than are due.
    #[error(
        "the script ended with success after {count} reports of `{objective}`, but {due}. If it reports less often, set `report_every` under \
         [policy]; if it ends by itself once it gets no better, set `stops_early = true`"
    )]
    TooFew {
        /// The objective.
        objective: String,
        /// How many there were.
        count: u64,
        /// How many are due, in words.
        due: String,
    },
    /// It has not come to the end of the segment.
    #[error(
        "the script ended with success, but {reached} instead of {} {to}: does it train to {{resource}}? If it ends by itself once it gets no \
         better, set `stops_early = true`",
        unit.one()
    )]
    Short {
        /// What resources count.
        unit: Unit,
        /// How far it came, in words.
        reached: String,
        /// The end of the segment.
        to: u64,
    },
    /// It counts from 0.
    #[error(
        "the script reports {} 0 to {last}, but the last one is {to}: it counts from 0. Leave `resource` out, then reports are counted",
        unit.many()
    )]
    FromZero {
        /// What resources count.
        unit: Unit,
        /// The last one that it reported.
        last: u64,
        /// The end of the segment.
        to: u64,
    },
    /// It has gone beyond the end of the segment.
    #[error("the script has reported {} {resource}, beyond {to}, the end of its segment: does it train to {{resource}}?", unit.one())]
    Beyond {
        /// What resources count.
        unit: Unit,
        /// What it reported.
        resource: f64,
        /// The end of the segment.
        to: u64,
    },
    /// Some reports say their resource and some do not.
    #[error("some reports of the script say their resource, and some do not")]
    Mixed,
}

/// The reports of one segment.
#[derive(Debug)]
pub(crate) struct Ledger {
    objective: String,
    due: Due,
    stops_early: bool,
    /// Whether the script was given what it had left.
    has_state: bool,
    /// The objective by resource, as it was reported before.
    known: BTreeMap<u64, f64>,
    count: u64,
    /// Whether reports say their resource.
    placed: Option<bool>,
    /// The last resource that was said, and whether 0 was.
    reached: Option<u64>,
    from_zero: bool,
    /// The report that can't be sent yet.
    held: Option<Report>,
    /// Reports whose place is not known before the end.
    unplaced: Vec<BTreeMap<String, f64>>,
    /// Whether the script has said that it ends by itself.
    ends: bool,
    /// A report that is not what it was before.
    differs: Option<String>,
}

impl Ledger {
    /// The reports of a segment in which these are due.
    pub fn new(objective: &str, due: Due, stops_early: bool, has_state: bool, known: BTreeMap<u64, f64>) -> Self {
        Self {
            objective: objective.to_owned(),
            due,
            stops_early,
            has_state,
            known,
            count: 0,
            placed: None,
            reached: None,
            from_zero: false,
            held: None,
            unplaced: Vec::new(),
            ends: false,
            differs: None,
        }
    }

    /// How many reports there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// In which way a report differs from what it was when the trial was trained before.
    pub fn differs(&self) -> Option<&str> {
        self.differs.as_deref()
    }

    /// Takes a report in, and returns those that can be sent now.
    ///
    /// # Errors
    /// If it has no place.
    pub fn take(&mut self, collected: Collected) -> Result<Vec<Report>, Misplaced> {
        let says = collected.resource.is_some();
        if *self.placed.get_or_insert(says) != says {
            return Err(Misplaced::Mixed);
        }
        self.count += 1;
        self.ends |= collected.last;
        match collected.resource {
            Some(resource) => self.place(resource, collected.values),
            None => self.number(collected.values),
        }
    }

    /// A report that says its resource. Others than those that are due are left out.
    fn place(&mut self, resource: f64, values: BTreeMap<String, f64>) -> Result<Vec<Report>, Misplaced> {
        let Due { unit, from, to, .. } = self.due;
        if resource > to as f64 {
            return Err(Misplaced::Beyond { unit, resource, to });
        }
        if resource.fract() != 0.0 || resource < 0.0 {
            return Ok(Vec::new());
        }
        let resource = resource as u64;
        self.from_zero |= resource == 0;
        self.reached = Some(resource);
        if resource <= from {
            self.compare(resource, &values);
            return Ok(Vec::new());
        }
        Ok(match self.due.is_due(resource) {
            true => self.send(resource, values),
            false => Vec::new(),
        })
    }

    /// A report without a resource.
    fn number(&mut self, values: BTreeMap<String, f64>) -> Result<Vec<Report>, Misplaced> {
        if self.count > self.due.count(0) {
            let (objective, due) = (self.objective.clone(), self.due.words(0));
            return Err(Misplaced::TooMany { objective, due });
        }
        if self.due.from > 0 {
            self.unplaced.push(values);
            return Ok(Vec::new());
        }
        let resource = self.due.nth(0, self.count);
        if self.count == 1 {
            // It may be the only one.
            let last = false;
            self.held = Some(Report { resource, values, last });
            return Ok(Vec::new());
        }
        Ok(self.send(resource, values))
    }

    /// The reports that can be sent once there is a next one. The script may still write when it reports the end of its segment, and one
    /// that stops early does not say which report is the last.
    fn send(&mut self, resource: u64, values: BTreeMap<String, f64>) -> Vec<Report> {
        let last = false;
        let report = Report { resource, values, last };
        let mut now: Vec<Report> = self.held.take().into_iter().collect();
        match resource == self.due.to || self.stops_early || self.ends {
            true => self.held = Some(report),
            false => now.push(report),
        }
        now
    }

    /// The reports that were held back, once the script has ended with success.
    ///
    /// # Errors
    /// If they are not those that are due.
    pub fn finish(&mut self) -> Result<Vec<Report>, Misplaced> {
        let mut reports = match (self.placed, self.due.from) {
            (Some(false), 0) => {
                if self.count == 1
                    && !self.may_end()
                    && let Some(only) = &mut self.held
                {
                    only.resource = self.due.to;
                }
                self.held.take().into_iter().collect()
            }
            (Some(false), _) => self.place_all()?,
            (Some(true) | None, _) => self.held.take().into_iter().collect::<Vec<Report>>(),
        };
        let may_end = self.may_end();
        match reports.last_mut() {
            Some(newest) if newest.resource == self.due.to => Ok(reports),
            Some(newest) if may_end => {
                newest.last = true;
                Ok(reports)
            }
            Some(_) | None => Err(self.lacking()),
        }
    }

    fn may_end(&self) -> bool {
        self.stops_early || self.ends
    }

    /// The places of counted reports, after a resource that is known: as many as are due since then if the script has gone on, as many as
    /// are due since the beginning if it has begun anew, or one at the end.
    fn place_all(&mut self) -> Result<Vec<Report>, Misplaced> {
        let Due { from, to, .. } = self.due;
        let begins = match self.count {
            count if count == self.due.count(from) => from,
            count if count == self.due.count(0) => 0,
            1 if !self.may_end() => {
                let values = self.unplaced.pop().unwrap_or_default();
                let last = false;
                return Ok(vec![Report {
                    resource: to,
                    values,
                    last,
                }]);
            }
            count if self.may_end() && self.has_state && count < self.due.count(from) => from,
            _ if self.may_end() => 0,
            _ => return Err(self.lacking()),
        };
        let mut reports = Vec::new();
        for (number, values) in (1..).zip(std::mem::take(&mut self.unplaced)) {
            let resource = self.due.nth(begins, number);
            if resource <= from {
                self.compare(resource, &values);
            } else {
                let last = false;
                reports.push(Report { resource, values, last });
            }
        }
        Ok(reports)
    }

    fn lacking(&self) -> Misplaced {
        let Due { unit, from, to, .. } = self.due;
        if self.placed == Some(false) {
            let (objective, count) = (self.objective.clone(), self.count);
            let mut due = self.due.words(from);
            if from > 0 {
                due += &format!(", or, if it begins anew, {}", self.due.words(0));
            }
            return Misplaced::TooFew { objective, count, due };
        }
        match self.reached {
            Some(last) if self.from_zero && last + 1 == to => Misplaced::FromZero { unit, last, to },
            reached => {
                let came = |at: u64| format!("it came to {} {at}", unit.one());
                let reached = reached.map_or("it reported none that is due".to_owned(), came);
                Misplaced::Short { unit, reached, to }
            }
        }
    }

    /// Compares what a script has reported again with what it was.
    fn compare(&mut self, resource: u64, values: &BTreeMap<String, f64>) {
        let Some((was, is)) = self.known.get(&resource).zip(values.get(&self.objective)) else {
            return;
        };
        if (was - is).abs() > NOISE * was.abs().max(is.abs()) && self.differs.is_none() {
            let (name, unit) = (&self.objective, self.due.unit.one());
            self.differs = Some(format!(
                "`{name}` at {unit} {resource} was {was}, and {is} when it was trained anew"
            ));
        }
    }
}

#[cfg(test)]
mod tests;
