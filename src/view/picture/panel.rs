//! A rectangle with two axes, and marks in it.

use std::collections::{BTreeMap, BTreeSet};

use super::scale::Scale;
use super::svg::{Anchor, Drawing, short};

/// So many marks can be pointed at one by one; more would make the file large.
const POINTED_AT: usize = 300;

/// What lies along the lower side of a panel.
#[derive(Debug, Clone)]
pub(super) enum Axis {
    /// Numbers.
    Numbers(Scale),
    /// Values without an order, each with a band of the same width.
    Bands(Vec<String>),
}

/// A rectangle in a drawing in which numbers have places.
#[derive(Debug, Clone)]
pub(super) struct Panel {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
    pub across: Axis,
    pub upwards: Scale,
}

/// Where a value is drawn that may lie outside.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Place {
    pub at: f64,
    pub shape: Option<Shape>,
}

impl Panel {
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// The place of a number on the lower side; that of a band by its number, and a share of it to either side.
    pub fn x(&self, number: f64) -> f64 {
        let share = match &self.across {
            Axis::Numbers(scale) => scale.share(number),
            Axis::Bands(bands) => (number + 0.5) / bands.len().max(1) as f64,
        };
        self.left + share.clamp(0.0, 1.0) * self.width
    }

    /// The place of a number on the left side, at the edge if it lies beyond.
    pub fn y(&self, number: f64) -> f64 {
        self.bottom() - self.upwards.share(number).clamp(0.0, 1.0) * self.height
    }

    /// The same, with the arrow that shows that it lies beyond.
    pub fn place(&self, number: f64) -> Place {
        let share = self.upwards.share(number);
        let shape = match share {
            share if share > 1.0 + 1e-9 => Some(Shape::Up),
            share if share < -1e-9 => Some(Shape::Down),
            _ => None,
        };
        Place {
            at: self.y(number),
            shape,
        }
    }

    /// The edge at which what is worse than everything lies.
    pub fn worst(&self, high_is_worse: bool) -> f64 {
        if high_is_worse { self.top } else { self.bottom() }
    }

    /// Lines and numbers of both axes, and their names.
    pub fn frame(&self, drawing: &mut Drawing, across: &str, upwards: &str) {
        let (bottom, right) = (self.bottom(), self.right());
        for (number, label) in self.upwards.ticks((self.height / 36.0) as usize) {
            let y = self.y(number);
            drawing.line("grid", (self.left, y), (right, y));
            drawing.text((self.left - 6.0, y + 4.0), Anchor::End, "faint", &label);
        }
        match &self.across {
            Axis::Numbers(scale) => {
                for (number, label) in scale.ticks((self.width / 62.0) as usize) {
                    let x = self.x(number);
                    drawing.line("grid", (x, self.top), (x, bottom));
                    drawing.text((x, bottom + 15.0), Anchor::Middle, "faint", &label);
                }
            }
            Axis::Bands(bands) => {
                let room = self.width / bands.len().max(1) as f64;
                // Where bands are narrow, only some have room for a word.
                let every = (34.0 / room).ceil().max(1.0) as usize;
                for (place, label) in bands.iter().enumerate().step_by(every) {
                    let at = (self.x(place as f64), bottom + 15.0);
                    drawing.cut_text(at, Anchor::Middle, "faint", label, room * every as f64 - 4.0);
                }
            }
        }
        drawing.line("faint", (self.left, bottom), (right, bottom));
        drawing.line("faint", (self.left, self.top), (self.left, bottom));
        let middle = self.left + self.width / 2.0;
        drawing.cut_text(
            (middle, bottom + 31.0),
            Anchor::Middle,
            "ink",
            across,
            self.width + 40.0,
        );
        if !upwards.is_empty() {
            let at = (self.left - 48.0, self.top + self.height / 2.0);
            drawing.upright_text(at, "ink", upwards);
        }
    }
}

/// The form of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shape {
    Dot,
    Cross,
    Diamond,
    Square,
    /// Something lies beyond the upper edge.
    Up,
    /// Something lies beyond the lower edge.
    Down,
}

impl Shape {
    /// Whether it is drawn as a point with a wide, round pen.
    fn is_dot(self) -> bool {
        self == Self::Dot
    }

    pub fn path(self, x: f64, y: f64) -> String {
        match self {
            Self::Dot => format!("M{} {}h.01", short(x), short(y)),
            Self::Cross => format!("M{} {}l6 6m0-6l-6 6", short(x - 3.0), short(y - 3.0)),
            Self::Diamond => format!("M{} {}l4 4l-4 4l-4-4z", short(x), short(y - 4.0)),
            Self::Square => format!("M{} {}h6v6h-6z", short(x - 3.0), short(y - 3.0)),
            Self::Up => format!("M{} {}l4-7l4 7z", short(x - 4.0), short(y + 8.0)),
            Self::Down => format!("M{} {}l4 7l4-7z", short(x - 4.0), short(y - 8.0)),
        }
    }
}

/// Marks in the order of their classes: those that are drawn last lie on top.
#[derive(Debug)]
pub(super) struct Marks {
    marks: BTreeMap<(u8, &'static str, Shape), Vec<Mark>>,
    pointed_at: bool,
}

#[derive(Debug)]
struct Mark {
    x: f64,
    y: f64,
    title: String,
}

impl Marks {
    /// Room for about so many.
    pub fn new(expected: usize) -> Self {
        Self {
            marks: BTreeMap::new(),
            pointed_at: expected <= POINTED_AT,
        }
    }

    /// Adds a mark of a class, drawn after those of a lower `layer`; `title` is shown to whoever points at it.
    pub fn add(
        &mut self,
        (layer, class, shape): (u8, &'static str, Shape),
        (x, y): (f64, f64),
        title: impl FnOnce() -> String,
    ) {
        let title = if self.pointed_at { title() } else { String::new() };
        let all = self.marks.entry((layer, class, shape)).or_default();
        all.push(Mark { x, y, title });
    }

    /// Draws them. Of many that would cover each other, one is drawn.
    pub fn draw(self, drawing: &mut Drawing) {
        for ((_, class, shape), marks) in self.marks {
            let class = format!("{} {class}", if shape.is_dot() { "dot" } else { "mark" });
            if self.pointed_at {
                for Mark { x, y, title } in marks {
                    drawing.path(&class, &shape.path(x, y), Some(&title));
                }
                continue;
            }
            let mut covered = BTreeSet::new();
            let seen = marks
                .iter()
                .filter(|mark| covered.insert((mark.x.round() as i64, mark.y.round() as i64)));
            let path: String = seen.map(|mark| shape.path(mark.x.round(), mark.y.round())).collect();
            drawing.path(&class, &path, None);
        }
    }
}
