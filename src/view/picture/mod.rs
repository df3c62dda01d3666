//! Pictures of a study: pure functions of it, as SVG.

mod best;
mod curves;
mod importance;
mod panel;
mod parallel;
mod parameters;
mod png;
mod scale;
mod slices;
pub(super) mod svg;
mod time;
mod timeline;
mod tradeoff;
mod trials;

use clap::ValueEnum;

use self::svg::{Anchor, DARK, Drawing, STYLE, escaped};
use crate::analysis::{Importances, Overview, Segments};
use crate::study::{Objective, Study};
pub use png::PngError;

/// The height of the title of a picture in a file of its own.
const TITLE: f64 = 30.0;

/// What a picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Kind {
    /// Learning curves of all trials, with the rungs at which they were pruned or promoted
    Curves,
    /// The best value so far, over time and over the resource that was trained
    Best,
    /// The objective against the value of each parameter
    Slices,
    /// Several objectives against each other, with the trials that no other dominates
    TradeOff,
    /// How much the objective depends on each parameter
    Importance,
    /// Parallel coordinates: each trial as a line across all parameters
    Parallel,
    /// What ran on which slot, and when
    Timeline,
}

impl Kind {
    /// All of them, in the order in which a report shows them.
    pub const ALL: [Self; 7] = [
        Self::Curves,
        Self::Best,
        Self::TradeOff,
        Self::Importance,
        Self::Slices,
        Self::Parallel,
        Self::Timeline,
    ];

    /// Its name on the command line, and in names of files.
    pub fn name(self) -> &'static str {
        match self {
            Self::Curves => "curves",
            Self::Best => "best",
            Self::Slices => "slices",
            Self::TradeOff => "trade-off",
            Self::Importance => "importance",
            Self::Parallel => "parallel",
            Self::Timeline => "timeline",
        }
    }

    /// Its title.
    pub fn title(self) -> &'static str {
        match self {
            Self::Curves => "Learning curves",
            Self::Best => "Best so far",
            Self::Slices => "Slices",
            Self::TradeOff => "Trade-off",
            Self::Importance => "Importance of parameters",
            Self::Parallel => "Parallel coordinates",
            Self::Timeline => "Slots over time",
        }
    }

    /// Whether it shows one of several objectives.
    fn is_of_one_objective(self) -> bool {
        match self {
            Self::Curves | Self::Best | Self::Slices | Self::Importance => true,
            Self::TradeOff | Self::Parallel | Self::Timeline => false,
        }
    }
}

/// What is drawn.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The study.
    pub study: &'a Study,
    /// The one of its objectives that is shown.
    pub objective: &'a Objective,
    /// What ran when.
    pub segments: &'a Segments,
    /// How much parameters matter for that objective, if it is known; only that picture needs it.
    pub importances: Option<&'a Importances>,
}

/// A drawing with what it shows in words.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// What it is called, in names of files and elements.
    pub name: String,
    /// Its title.
    pub title: String,
    /// The same for this study, in a few sentences.
    pub description: String,
    study: String,
    drawing: Drawing,
}

impl Picture {
    /// Draws a study.
    pub fn of(kind: Kind, scene: &Scene<'_>) -> Self {
        let (drawing, description) = match kind {
            Kind::Curves => curves::draw(scene),
            Kind::Best => best::draw(scene),
            Kind::Slices => slices::draw(scene),
            Kind::TradeOff => tradeoff::draw(scene),
            Kind::Importance => importance::draw(scene),
            Kind::Parallel => parallel::draw(scene),
            Kind::Timeline => timeline::draw(scene),
        };
        let spec = scene.study.spec();
        let place = spec.objectives().position(|one| one == scene.objective).unwrap_or(0);
        let title = match spec.has_several() && kind.is_of_one_objective() {
            true => format!("{}: {}", kind.title(), scene.objective.metric),
            false => kind.title().to_owned(),
        };
        Self {
            name: match place {
                0 => kind.name().to_owned(),
                place => format!("{}-{}", kind.name(), place + 1),
            },
            title,
            description,
            study: spec.name.clone(),
            drawing,
        }
    }

    /// Draws all there is to draw of a study, what is of one objective for each of them.
    pub fn all(study: &Study, segments: &Segments, overview: &Overview) -> Vec<Self> {
        let spec = study.spec();
        let several = |kind: &Kind| *kind != Kind::TradeOff || spec.has_several();
        let scenes = Kind::ALL.into_iter().filter(several).flat_map(|kind| {
            let objectives = spec.objectives().enumerate();
            let shown = objectives.filter(move |(place, _)| *place == 0 || kind.is_of_one_objective());
            shown.map(move |(_, objective)| (kind, objective))
        });
        let pictures = scenes.map(|(kind, objective)| {
            let importances = overview.importance_for(objective);
            let scene = Scene {
                study,
                objective,
                segments,
                importances,
            };
            Self::of(kind, &scene)
        });
        pictures.collect()
    }

    /// A file of its own, light or dark as whoever looks at it prefers.
    pub fn svg(&self) -> String {
        self.file(&format!("{STYLE}@media (prefers-color-scheme:dark){{\n{DARK}}}\n"))
    }

    /// An image, on a light ground.
    ///
    /// # Errors
    /// If it is too large.
    pub fn png(&self) -> Result<Vec<u8>, PngError> {
        png::png(&self.file(STYLE))
    }

    fn file(&self, style: &str) -> String {
        let mut whole = Drawing::new(self.drawing.width, self.drawing.height + TITLE);
        let title = format!("{}: {}", self.study, self.title);
        whole.cut_text((16.0, 20.0), Anchor::Start, "ink heading", &title, whole.width - 32.0);
        let moved = format!("<g transform=\"translate(0 {TITLE})\">\n{}</g>\n", self.drawing.body);
        let body = whole.body.clone() + &moved;
        self.element(&whole, &format!("<style>\n{style}</style>\n"), &body)
    }

    /// An element of a page, which has the style.
    pub(super) fn inline(&self) -> String {
        self.element(&self.drawing, "", &self.drawing.body)
    }

    fn element(&self, size: &Drawing, style: &str, body: &str) -> String {
        let Drawing { width, height, .. } = size;
        let name = &self.name;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"hpo\" role=\"img\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
             {height}\" aria-labelledby=\"{name}-title {name}-text\">\n<title id=\"{name}-title\">{}: {}</title>\n\
             <desc id=\"{name}-text\">{}</desc>\n{style}<rect class=\"back\" width=\"{width}\" height=\"{height}\"/>\n{body}</svg>\n",
            escaped(&self.study),
            escaped(&self.title),
            escaped(&self.description),
        )
    }
}

#[cfg(test)]
mod tests;
