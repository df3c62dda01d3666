//! The report of a study: all that there is to know about it and its result, to keep and to pass on.

mod document;
mod environment;
mod html;
mod markdown;
mod result;

use self::document::{Block, Table};
pub use self::environment::kind_of;
use super::confirmation::{confirmed, to_be_confirmed};
use super::effort::compute;
use super::picture::Picture;
use super::report::{findings, foretold, important};
use super::sheet::Sheet;
use super::table::sheet;
use crate::analysis::{Overview, Segments};
use crate::store::StudyDirectory;
use crate::study::{Origin, Study, Trial, TrialStatus, TrialSummary};
use crate::words::counted;

/// So many trials are in the table.
const BEST: usize = 20;
/// So many failed trials are listed.
const FAILED: usize = 10;

/// What a report is made from.
#[derive(Debug, Clone, Copy)]
pub struct Reported<'a> {
    /// The study.
    pub study: &'a Study,
    /// What ran when.
    pub segments: &'a Segments,
    /// Where it lies.
    pub directory: &'a StudyDirectory,
    /// Whether a scheduler is at work on it.
    pub running: bool,
    /// What it was created from and on, if that was recorded.
    pub origin: Option<&'a Origin>,
    /// The version of `hpo` that created it.
    pub version: &'a str,
    /// The commit of the `hpo` that writes the report, if that is known.
    pub commit: Option<&'a str>,
}

/// A report.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    title: String,
    blocks: Vec<Block>,
}

impl Page {
    /// The report of a study. The same records give the same report.
    pub fn of(of: &Reported<'_>) -> Self {
        let overview = Overview::of(of.study);
        let mut blocks = result::decision(of, &overview);
        blocks.extend(trials(of.study));
        blocks.extend(pictures(of, &overview));
        blocks.extend(shown(of, &overview));
        blocks.extend(trouble(of.study, &overview));
        blocks.extend(environment::environment(of));
        Self {
            title: format!("Study {}", of.study.spec().name),
            blocks,
        }
    }

    /// It as one HTML file that needs nothing else.
    pub fn html(&self) -> String {
        html::html(&self.title, &self.blocks)
    }

    /// It as Markdown whose pictures lie in a directory beside it.
    pub fn markdown(&self, pictures: &str) -> String {
        markdown::markdown(&self.title, &self.blocks, pictures)
    }

    /// Its pictures.
    pub fn pictures(&self) -> impl Iterator<Item = &Picture> {
        self.blocks.iter().filter_map(|block| match block {
            Block::Picture(picture) => Some(picture),
            Block::Heading(_) | Block::Text(_) | Block::Notice(_) | Block::Lines(_) | Block::Table(_) => None,
        })
    }
}

/// The best trials of the search: those that were trained to the end first.
fn trials(study: &Study) -> Vec<Block> {
    let front: Vec<TrialSummary> = study.front().into_iter().map(|trial| study.summary(trial)).collect();
    let mut best: Vec<&Trial> = study.search_trials().filter(|trial| trial.best().is_some()).collect();
    best.sort_by_key(|trial| {
        let completed = trial.state.status() == TrialStatus::Completed;
        (!trial.is_feasible(), !completed, trial.score(), trial.id)
    });
    let all = study.search_trials().count();
    let shown: Vec<TrialSummary> = best.iter().take(BEST).map(|trial| study.summary(trial)).collect();
    let mut blocks = vec![Block::Heading("Trials")];
    if !front.is_empty() {
        let Sheet { head, rows, words } = sheet(study.spec(), study.baseline(), &front, None);
        blocks.push(Block::Text(
            "No trial is better than these by one objective without being worse by another:".into(),
        ));
        blocks.push(Block::Table(Table {
            name: "The trials that are not dominated",
            head,
            rows,
            words,
        }));
    }
    if shown.is_empty() {
        blocks.push(Block::Text(format!("None of {} has a result.", counted(all, "trial"))));
        return blocks;
    }
    if shown.len() < all {
        let text = format!(
            "The best {} of {}; those that were trained to the end come first.",
            shown.len(),
            counted(all, "trial")
        );
        blocks.push(Block::Text(text));
    }
    let Sheet { head, rows, words } = sheet(study.spec(), study.baseline(), &shown, None);
    blocks.push(Block::Table(Table {
        name: "The best trials",
        head,
        rows,
        words,
    }));
    blocks
}

fn pictures(of: &Reported<'_>, overview: &Overview) -> Vec<Block> {
    let pictures = Picture::all(of.study, of.segments, overview)
        .into_iter()
        .map(Block::Picture);
    [Block::Heading("Pictures")].into_iter().chain(pictures).collect()
}

/// What the records show, in words.
fn shown(of: &Reported<'_>, overview: &Overview) -> Vec<Block> {
    let findings = findings(overview, of.directory);
    let mut blocks = vec![Block::Heading("Diagnosis")];
    blocks.push(match findings.is_empty() {
        true => Block::Text(
            "The curves show neither overfitting nor another fault, or there are too few reports to say.".into(),
        ),
        false => Block::Lines(findings),
    });
    for sentence in foretold(overview).lines().chain(important(overview).lines()) {
        blocks.push(Block::Text(capital(sentence)));
    }
    let confirmed = confirmed(overview, None);
    let to_come = to_be_confirmed(overview);
    blocks.extend((!confirmed.is_empty()).then_some(Block::Lines(confirmed)));
    blocks.extend((!to_come.is_empty()).then(|| Block::Text(capital(to_come.trim_end()))));
    let compute = compute(overview);
    if !compute.is_empty() {
        blocks.extend([Block::Heading("What it took"), Block::Text(capital(compute.trim_end()))]);
    }
    blocks
}

/// What went wrong.
fn trouble(study: &Study, overview: &Overview) -> Vec<Block> {
    let failed: Vec<&Trial> = study
        .trials()
        .iter()
        .filter(|trial| trial.state.failure().is_some())
        .collect();
    let mut blocks = Vec::new();
    if let Some(pause) = &overview.paused {
        blocks.push(Block::Notice(format!("The study is paused: {pause}")));
    }
    if !failed.is_empty() {
        let rows = failed.iter().take(FAILED).map(|trial| {
            let why = trial.state.failure().unwrap_or_default();
            [format!("trial {}", trial.id), why.to_owned()]
        });
        let text = format!(
            "{} failed more often than {} may be retried.",
            counted(failed.len(), "trial"),
            if failed.len() == 1 { "it" } else { "they" }
        );
        blocks.push(Block::Text(text));
        blocks.push(Table::pairs("Failed trials", rows.collect()));
        if failed.len() > FAILED {
            blocks.push(Block::Text(format!("And {} more.", failed.len() - FAILED)));
        }
    }
    if blocks.is_empty() {
        return blocks;
    }
    [Block::Heading("Trouble")].into_iter().chain(blocks).collect()
}

/// A sentence with a capital at its beginning, if that is an ASCII letter.
fn capital(sentence: &str) -> String {
    let mut text = sentence.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}
