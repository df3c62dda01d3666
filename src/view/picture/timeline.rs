//! What ran on which slot, and when.

use std::collections::BTreeMap;

use super::panel::{Axis, Panel};
use super::scale::Scale;
use super::svg::{Anchor, Drawing, rectangle, width_of};
use super::trials::{Entry, RIGHT, WIDTH, legend};
use super::{Scene, time};
use crate::analysis::{Ending, Segment, Segments};
use crate::ids::{SlotId, Timestamp};
use crate::words::counted;

/// The room for the names of slots.
const NAMES: f64 = 150.0;
/// The height of all slots together, unless they are few.
const HEIGHT: f64 = 420.0;
/// The height of a slot at most.
const ROW: f64 = 26.0;
/// So many segments can be pointed at one by one.
const POINTED_AT: usize = 500;
/// More breaks than this are not drawn.
const BREAKS: usize = 40;

/// How a segment looks, how it does in the legend, and what that means.
const LOOKS: [(&str, &str, &str); 5] = [
    ("completed", "completed wide", "trained"),
    ("ahead", "ahead wide", "ahead of a decision"),
    ("pruned", "pruned wide", "stopped on the way"),
    ("failed", "failed wide", "failed or lost"),
    ("open", "open wide", "running"),
];

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let segments = scene.segments;
    let rows = rows(segments);
    let mut drawing = Drawing::new(WIDTH, 0.0);
    let occurs = |class: &str| segments.all().iter().any(|segment| look(segment) == class);
    let entries = LOOKS.iter().filter(|(class, _, _)| occurs(class));
    let entries: Vec<Entry> = entries
        .map(|(_, line, text)| Entry::Line(line, (*text).to_owned()))
        .collect();
    let top = legend(&mut drawing, &entries) + 4.0;
    let end = scene.study.lifetime().1;
    let whole = segments.active_ms(end);
    let (per, unit) = time::unit(whole);
    let row = (HEIGHT / rows.len().max(1) as f64).min(ROW);
    let panel = Panel {
        left: NAMES,
        top,
        width: WIDTH - NAMES - RIGHT,
        height: row * rows.len().max(1) as f64,
        across: Axis::Numbers(Scale::new(0.0, (whole as f64 / per).max(1e-3), false)),
        upwards: Scale::new(0.0, 1.0, false),
    };
    let x = |at: Timestamp| panel.x(segments.active_ms(at) as f64 / per);
    if !rows.is_empty() {
        axes(&panel, &mut drawing, &format!("{unit} of searching"));
    }
    names(segments, &rows, &panel, row, &mut drawing);
    bars(scene, &rows, (&panel, row), x, &mut drawing);
    let breaks = segments.runs().iter().skip(1);
    let breaks: Vec<f64> = breaks.map(|run| x(run.from)).collect();
    for &at in breaks.iter().take(BREAKS) {
        drawing.line("untrained", (at, panel.top - 4.0), (at, panel.bottom()));
    }
    if segments.all().is_empty() {
        drawing.text(
            (panel.left + 10.0, panel.top + 17.0),
            Anchor::Start,
            "ink",
            "nothing has run yet",
        );
    }
    drawing.height = panel.bottom() + 42.0;
    let resumed = match breaks.len() {
        0 => String::new(),
        count => format!(
            " It was resumed {}, at the dashed lines; the time between does not count.",
            counted(count, "time")
        ),
    };
    let description = format!(
        "{} on {}: each bar is a stretch of a trial, with the trial's number where there is room.{resumed}",
        counted(segments.all().len(), "segment"),
        counted(rows.len(), "slot"),
    );
    (drawing, description)
}

/// The slots that ran anything, by number.
fn rows(segments: &Segments) -> BTreeMap<SlotId, usize> {
    let mut slots: Vec<SlotId> = segments.all().iter().map(|segment| segment.slot).collect();
    slots.sort_unstable();
    slots.dedup();
    slots.into_iter().enumerate().map(|(row, slot)| (slot, row)).collect()
}

fn look(segment: &Segment) -> &'static str {
    match (segment.ending, segment.ahead) {
        (Ending::Failed, _) => "failed",
        (Ending::Stopped, _) => "pruned",
        (Ending::Open, _) => "open",
        (Ending::Done, true) => "ahead",
        (Ending::Done, false) => "completed",
    }
}

fn axes(panel: &Panel, drawing: &mut Drawing, name: &str) {
    if let Axis::Numbers(scale) = &panel.across {
        for (number, label) in scale.ticks(8) {
            let x = panel.x(number);
            drawing.line("grid", (x, panel.top), (x, panel.bottom()));
            drawing.text((x, panel.bottom() + 15.0), Anchor::Middle, "faint", &label);
        }
    }
    let middle = panel.left + panel.width / 2.0;
    drawing.text((middle, panel.bottom() + 31.0), Anchor::Middle, "ink", name);
}

fn names(segments: &Segments, rows: &BTreeMap<SlotId, usize>, panel: &Panel, row: f64, drawing: &mut Drawing) {
    let every = (13.0 / row).ceil().max(1.0) as usize;
    for (slot, &place) in rows.iter().filter(|(_, place)| place.is_multiple_of(every)) {
        let named = segments
            .runs()
            .iter()
            .rev()
            .find_map(|run| run.slots.get(slot.0 as usize));
        let name = named.map_or(format!("slot {slot}"), |name| format!("{slot}: {name}"));
        let y = panel.top + row * (place as f64 + 0.5) + 4.0;
        drawing.cut_text((panel.left - 8.0, y), Anchor::End, "ink", &name, NAMES - 14.0);
    }
}

fn bars(
    scene: &Scene<'_>,
    rows: &BTreeMap<SlotId, usize>,
    (panel, row): (&Panel, f64),
    x: impl Fn(Timestamp) -> f64,
    drawing: &mut Drawing,
) {
    let unit = scene.study.spec().policy.unit.one();
    let all = scene.segments.all();
    let gap = (row * 0.12).min(2.0);
    let mut paths: BTreeMap<&str, String> = BTreeMap::new();
    // Where the last bar of a look ended in a row: what follows within the same pixel can't be seen.
    let mut covered: BTreeMap<(usize, &str), f64> = BTreeMap::new();
    for segment in all {
        let Some(&place) = rows.get(&segment.slot) else {
            continue;
        };
        let (class, from, to) = (look(segment), x(segment.began), x(segment.until));
        let top = panel.top + row * place as f64 + gap;
        let width = (to - from - 0.6).max(0.8);
        let bar = rectangle((from, top), width, row - 2.0 * gap);
        if all.len() > POINTED_AT {
            let end = covered.entry((place, class)).or_insert(f64::NEG_INFINITY);
            if from + width > *end + 0.8 {
                *end = from + width;
                *paths.entry(class).or_default() += &bar;
            }
            continue;
        }
        let Segment {
            id,
            from: begins,
            to: ends,
            ..
        } = segment;
        let title = format!("trial {}, attempt {}: {unit} {begins} to {ends}", id.trial, id.attempt);
        drawing.path(&format!("bar {class}"), &bar, Some(&title));
        let label = id.trial.to_string();
        if width > width_of(&label) + 4.0 && row > 12.0 {
            let at = (from + width / 2.0, top + row / 2.0 - gap + 4.0);
            drawing.text(at, Anchor::Middle, "on-bar", &label);
        }
    }
    for (class, path) in paths {
        drawing.path(&format!("bar {class}"), &path, None);
    }
}
