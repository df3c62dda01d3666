//! How much the objective depends on each parameter.

use super::Scene;
use super::panel::Shape;
use super::svg::{Anchor, Drawing, rectangle};
use super::trials::{LEFT, WIDTH, objective_name};
use crate::analysis::Importances;

/// The room for the names of parameters.
const NAMES: f64 = 190.0;
/// The room for the numbers behind the bars.
const NUMBERS: f64 = 110.0;
/// The height of a parameter.
const ROW: f64 = 28.0;

pub(super) fn draw(scene: &Scene<'_>) -> (Drawing, String) {
    let name = objective_name(scene.objective);
    let Some(importances) = scene.importances else {
        let why = "unknown: there are too few trials with a value, or their values do not follow from the parameters";
        let mut drawing = Drawing::new(WIDTH, 60.0);
        drawing.text((16.0, 30.0), Anchor::Start, "ink", why);
        return (
            drawing,
            format!("How much the {name} depends on each parameter is {why}."),
        );
    };
    let description = format!(
        "How much the {name} depends on each parameter, by a model that explains {:.0} % of its variance. The whole bar is the share of \
         the variance that would remain if all other parameters were known, the dark part the share that would vanish if only this one \
         were.",
        100.0 * importances.explained
    );
    (bars(importances), description)
}

fn bars(importances: &Importances) -> Drawing {
    let mut drawing = Drawing::new(WIDTH, 0.0);
    for (x, class, text) in [
        (LEFT, "dot completed", "alone"),
        (LEFT + 90.0, "dot ahead", "with interactions"),
    ] {
        drawing.path(class, &Shape::Dot.path(x + 5.0, 8.0), None);
        drawing.text((x + 16.0, 12.0), Anchor::Start, "ink", text);
    }
    let room = WIDTH - NAMES - NUMBERS;
    let top = 28.0;
    let bottom = top + ROW * importances.parameters.len() as f64;
    for tenths in [0, 25, 50, 75, 100] {
        let x = NAMES + room * f64::from(tenths) / 100.0;
        drawing.line("grid", (x, top), (x, bottom));
        drawing.text((x, bottom + 15.0), Anchor::Middle, "faint", &format!("{tenths} %"));
    }
    for (place, one) in importances.parameters.iter().enumerate() {
        let y = top + ROW * place as f64;
        drawing.cut_text(
            (NAMES - 8.0, y + 18.0),
            Anchor::End,
            "ink",
            &one.parameter,
            NAMES - 16.0,
        );
        drawing.path(
            "bar ahead",
            &rectangle((NAMES, y + 6.0), room * one.total, ROW - 12.0),
            None,
        );
        drawing.path(
            "bar completed",
            &rectangle((NAMES, y + 6.0), room * one.alone, ROW - 12.0),
            None,
        );
        let shares = format!("{:.0} % ({:.0} % alone)", 100.0 * one.total, 100.0 * one.alone);
        drawing.text(
            (NAMES + room * one.total + 6.0, y + 18.0),
            Anchor::Start,
            "ink",
            &shares,
        );
    }
    drawing.height = bottom + 26.0;
    drawing
}
