//! How a study stands, as lines for a terminal of some size.

use hpo_protocol::Unit;
use unicode_width::UnicodeWidthStr;

use super::gauges::Gauges;
use crate::ids::TrialId;
use crate::study::RungProgress;
use crate::view::format::{bytes, estimated, metric, seconds};
use crate::view::line::{Line, Style, cut, sparkline};
use crate::words::counted;

/// How a study stands at a moment.
#[derive(Debug, Clone, Default)]
pub(super) struct Frame {
    /// Its name.
    pub study: String,
    /// What is said before everything else, such as that it stops.
    pub notice: Option<String>,
    /// The share of the planned resource that is trained, 0 to 1.
    pub share: f64,
    /// Milliseconds since the beginning.
    pub gone_ms: u64,
    /// Milliseconds still to go, once they can be estimated.
    pub left_ms: Option<u64>,
    /// Whether all is trained, and the best model is being written.
    pub exporting: bool,
    /// How many trials of the search are decided, and how many it has.
    pub decided: [u64; 2],
    /// How many trials that confirm are over, and how many there are.
    pub confirmed: Option<[usize; 2]>,
    /// How many brackets are over, are open, and are planned.
    pub brackets: [usize; 3],
    /// How far the search is at each rung.
    pub rungs: Vec<RungProgress>,
    /// What resources count.
    pub unit: Unit,
    /// The resource that all trials together are trained to, and are to be, as far as that is known.
    pub trained: [Option<u64>; 2],
    /// The best trial.
    pub best: Option<Best>,
    /// The resource that trials were to be trained to without pruning, and how much of it pruned trials do not need.
    pub saved: Option<[u64; 2]>,
    /// Examples that all slots together train a second.
    pub speed: f64,
    /// Disk and memory.
    pub gauges: Gauges,
    /// What each slot does.
    pub slots: Vec<Option<Running>>,
}

/// The best trial so far.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Best {
    pub trial: TrialId,
    pub metric: String,
    pub value: f64,
    /// The resource at which it had the value.
    pub at: u64,
    /// The value of the model that it began with.
    pub untrained: Option<f64>,
    /// Its values, report by report.
    pub curve: Vec<f64>,
}

/// A trial on a slot.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Running {
    pub trial: TrialId,
    /// The resource that it has come to, and the one that it is trained to.
    pub at: f64,
    pub to: u64,
    /// Whether it runs ahead of the decision whether it may.
    pub ahead: bool,
    /// Examples a second, if the trainer says.
    pub speed: Option<f64>,
}

/// The columns of the words at the beginning of lines.
const LABEL: usize = 8;
/// The columns of bars, at least and at most.
const BAR: [usize; 2] = [10, 40];
/// The most columns of a curve.
const CURVE: usize = 24;
/// The least rows that are left for what happens.
const ABOVE: usize = 4;

/// The frame as lines that fit into a terminal of so many columns and rows, and leave some rows for what happens.
pub(super) fn compose(frame: &Frame, (columns, rows): (usize, usize), colours: bool) -> Vec<String> {
    // In the last column, some terminals begin another row.
    let columns = columns.saturating_sub(1);
    let room = rows.saturating_sub(ABOVE).max(1);
    let head = [
        Some(study(frame, columns)),
        frame.best.as_ref().map(|best| of_best(best, frame.unit)),
        Some(trials(frame)),
        (!frame.rungs.is_empty()).then(|| rungs(frame, columns)),
        gauges(&frame.gauges),
    ];
    // The first ones are the most important, and half of the room is for the slots.
    let heads = room.saturating_sub((room / 2).min(frame.slots.len())).max(1);
    let head = head.into_iter().flatten().take(heads);
    let mut lines: Vec<String> = head.map(|line| line.fit(columns, colours)).collect();
    let mut shown = room - lines.len();
    if shown < frame.slots.len() {
        shown = shown.saturating_sub(1);
    }
    let slots = frame.slots.iter().enumerate().take(shown);
    lines.extend(slots.map(|(number, running)| slot(frame, number, running.as_ref(), columns).fit(columns, colours)));
    if shown < frame.slots.len() && lines.len() < room {
        let mut line = Line::default();
        line.add(1, Style::Dim, more(&frame.slots[shown..]));
        lines.push(line.fit(columns, colours));
    }
    lines
}

fn more(slots: &[Option<Running>]) -> String {
    let busy = slots.iter().flatten().count();
    format!("  and {}, {busy} busy", counted(slots.len(), "more slot"))
}

fn label(text: &str) -> String {
    format!("  {text:<LABEL$}")
}

fn study(frame: &Frame, columns: usize) -> Line {
    let mut line = Line::default();
    line.add(9, Style::Bold, cut(&frame.study, columns / 4));
    let mut rest = Line::default();
    rest.add(8, Style::Plain, format!(" {:>3.0} %", (100.0 * frame.share).floor()));
    if let Some(notice) = &frame.notice {
        rest.add(9, Style::Warning, format!("  {notice}"));
    }
    let left = match frame.left_ms {
        _ if frame.exporting => Some("writing the best model".to_owned()),
        _ if frame.notice.is_some() => None,
        left => left.map(|ms| format!("about {} left", estimated(ms))),
    };
    let between = if left.is_some() { "," } else { "" };
    rest.add(5, Style::Dim, format!("  {} gone{between}", seconds(frame.gone_ms)));
    rest.add(7, Style::Plain, left.map_or(String::new(), |left| format!(" {left}")));
    if frame.speed > 0.0 {
        rest.add(4, Style::Dim, format!("  {:.1} examples/s", frame.speed));
    }
    let free = columns.saturating_sub(line.width() + rest.width() + 1);
    line.add(6, Style::Plain, " ")
        .bar(6, frame.share, free.clamp(BAR[0], BAR[1]));
    line.append(rest);
    line
}

fn trials(frame: &Frame) -> Line {
    let [decided, all] = frame.decided;
    let mut line = Line::default();
    line.add(9, Style::Dim, label("trials"));
    line.add(9, Style::Plain, format!("{decided} of {all} decided"));
    if let Some([over, runs]) = frame.confirmed {
        line.add(8, Style::Plain, format!(", {over} of {runs} confirmed"));
    }
    let [over, open, planned] = frame.brackets;
    if planned > 1 {
        line.add(6, Style::Plain, format!("; {over} of {planned} brackets over"));
        line.add(5, Style::Plain, format!(", {open} open"));
    }
    if let Some([without, saved]) = frame.saved.filter(|[_, saved]| *saved > 0) {
        let share = 100.0 * saved as f64 / without as f64;
        line.add(7, Style::Plain, format!("; pruning saved {share:.0} %"));
        line.add(3, Style::Dim, format!(" ({saved} {})", frame.unit.many()));
    }
    if let [Some(trained), planned] = frame.trained {
        let of = planned.map_or(String::new(), |planned| format!(" of {planned}"));
        line.add(2, Style::Dim, format!("; {trained}{of} {} trained", frame.unit.many()));
    }
    line
}

fn rungs(frame: &Frame, columns: usize) -> Line {
    let line = |words: bool| {
        let mut line = Line::default();
        line.add(u8::MAX, Style::Dim, label("rungs"));
        line.add(u8::MAX, Style::Plain, format!("{} ", frame.unit.one()));
        for (number, rung) in (1u8..).zip(&frame.rungs) {
            let (of, promoted) = match words {
                true => (" of ", " promoted"),
                false => ("/", "↑"),
            };
            let mut text = format!("{}: {}", rung.resource, rung.reached);
            if let Some(planned) = rung.planned {
                text += &format!("{of}{planned}");
            }
            if usize::from(number) < frame.rungs.len() {
                text += &format!(" ({}{promoted}), ", rung.promoted);
            }
            // Those that come first are over first.
            let over = Some(rung.reached) == rung.planned;
            line.add(number, if over { Style::Dim } else { Style::Plain }, text);
        }
        line
    };
    let whole = line(true);
    match whole.width() <= columns {
        true => whole,
        false => line(false),
    }
}

fn of_best(best: &Best, unit: Unit) -> Line {
    let mut line = Line::default();
    line.add(9, Style::Dim, label("best"));
    line.add(9, Style::Bold, format!("{} {}", best.metric, metric(best.value)));
    line.add(8, Style::Plain, format!(" trial {}", best.trial));
    line.add(5, Style::Plain, format!(" at {} {}", unit.one(), best.at));
    if let Some(untrained) = best.untrained {
        line.add(6, Style::Dim, format!(" (untrained {})", metric(untrained)));
    }
    let curve = sparkline(&best.curve, CURVE);
    if !curve.is_empty() {
        line.add(7, Style::Done, format!("  {curve}"));
    }
    line
}

fn gauges(gauges: &Gauges) -> Option<Line> {
    let mut line = Line::default();
    line.add(9, Style::Dim, label("disk"));
    let names = [
        (9, "", gauges.study, " study"),
        (8, ", ", gauges.free, " free"),
        (7, "; memory ", gauges.resident, " used"),
        (6, ", ", gauges.available, " available"),
    ];
    let known = names.iter().filter_map(|(importance, before, size, after)| {
        let size = (*size)?;
        Some((*importance, format!("{before}{}{after}", bytes(size))))
    });
    let mut any = false;
    for (importance, text) in known {
        any = true;
        line.add(importance, Style::Plain, text);
    }
    any.then_some(line)
}

fn slot(frame: &Frame, number: usize, running: Option<&Running>, columns: usize) -> Line {
    let digits = frame.slots.len().saturating_sub(1).to_string().len();
    let mut line = Line::default();
    line.add(9, Style::Dim, label(&format!("slot {number:>digits$}")));
    let Some(running) = running else {
        line.add(9, Style::Dim, "idle");
        return line;
    };
    let decimals = if frame.unit == Unit::Epochs { 2 } else { 0 };
    let widest = frame
        .slots
        .iter()
        .flatten()
        .map(|one| one.trial.to_string().width())
        .max();
    let widest = widest.unwrap_or(0);
    let share = running.at / (running.to as f64).max(1.0);
    let free = columns.saturating_sub(line.width() + SLOT_TEXT + widest);
    line.bar(7, share, free.clamp(BAR[0], BAR[1]));
    line.add(
        9,
        Style::Plain,
        format!(" trial {:<widest$}", running.trial.to_string()),
    );
    let at = format!("{:.decimals$} of {}", running.at, running.to);
    line.add(8, Style::Plain, format!("  {} {at}", frame.unit.one()));
    if running.ahead {
        line.add(5, Style::Dim, " ahead of the decision");
    }
    if let Some(speed) = running.speed {
        line.add(4, Style::Dim, format!("  {speed:.1} examples/s"));
    }
    line
}

/// The columns of what usually stands beside the bar of a slot, without the number of the trial.
const SLOT_TEXT: usize = 48;

/// The frame in one line, for where nothing can be redrawn.
pub(super) fn one_line(frame: &Frame) -> String {
    let [decided, all] = frame.decided;
    let confirmed = frame.confirmed;
    let confirmed = confirmed.map_or(String::new(), |[over, runs]| format!("  confirmed {over}/{runs}"));
    let rungs = frame
        .rungs
        .iter()
        .filter(|rung| rung.reached > 0 || rung.planned.is_some());
    let rungs = rungs.map(|rung| match rung.planned {
        Some(planned) => format!("{}: {}/{planned}", rung.resource, rung.reached),
        None => format!("{}: {}", rung.resource, rung.reached),
    });
    let best = frame.best.as_ref();
    let best = best.map_or(String::new(), |best| {
        format!("  best {} {}", best.metric, metric(best.value))
    });
    let speed = match frame.speed > 0.0 {
        true => format!("  {:.1} examples/s", frame.speed),
        false => String::new(),
    };
    let left = match frame.left_ms {
        _ if frame.exporting => "  writing the best model".into(),
        left => left.map_or(String::new(), |ms| format!("  about {} left", estimated(ms))),
    };
    let [trained, planned] = frame.trained;
    let planned = planned.map_or(String::new(), |planned| format!(" of {planned}"));
    format!(
        "{decided} of {} decided  rungs {}{confirmed}  {}{planned} {}{best}{speed}  {} gone{left}",
        counted(all, "trial"),
        rungs.collect::<Vec<_>>().join(" "),
        trained.unwrap_or(0),
        frame.unit.many(),
        seconds(frame.gone_ms),
    )
}

#[cfg(test)]
mod tests;
