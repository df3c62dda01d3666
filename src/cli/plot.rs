//! `hpo plot`.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::CliError;
use super::output::{check_output, write};
use super::study::objective_named;
use super::study::{Studies, find, print};
use crate::analysis::{Segments, importance};
use crate::store::StudyReader;
use crate::study::{Objective, StudySpec};
use crate::view::{Picture, PictureKind, PngError, Scene};

/// The arguments of `hpo plot`.
#[derive(Debug, clap::Args)]
pub(super) struct Plot {
    /// The study: its name, its directory, or its file
    study: PathBuf,

    /// What to draw [default: list what there is]
    #[arg(value_enum)]
    kind: Option<PictureKind>,

    /// Of several objectives, the one to show [default: the first]
    #[arg(long, value_name = "METRIC", requires = "kind")]
    objective: Option<String>,

    /// Write to this file, an .svg or a .png, which must not exist [default: SVG to standard output]
    #[arg(long, short, value_name = "FILE", requires = "kind")]
    output: Option<PathBuf>,

    /// Overwrite the file
    #[arg(long, requires = "output")]
    force: bool,
}

/// How a picture is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Svg,
    Png,
}

impl Plot {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let format = self.output.as_deref().map_or(Ok(Format::Svg), format)?;
        if let Some(path) = &self.output {
            check_output(path, self.force)?;
        }
        let directory = find(studies, Some(&self.study))?;
        let mut segments = Segments::default();
        let reader = StudyReader::open_with(directory, |study, record| segments.observe(study, &record))?;
        let Some(kind) = self.kind else {
            return print(&kinds());
        };
        let study = reader.study();
        let objective = self.shown(study.spec(), kind)?;
        let importances = (kind == PictureKind::Importance)
            .then(|| importance(study, objective))
            .flatten();
        let scene = Scene {
            study,
            objective,
            segments: &segments,
            importances: importances.as_ref(),
        };
        let picture = Picture::of(kind, &scene);
        let bytes = match format {
            Format::Svg => picture.svg().into_bytes(),
            Format::Png => picture.png()?,
        };
        match &self.output {
            Some(path) => write(path, &bytes, self.force),
            None => print(&picture.svg()),
        }
    }
}

impl Plot {
    /// The objective that is shown.
    fn shown<'s>(&self, spec: &'s StudySpec, kind: PictureKind) -> Result<&'s Objective, CliError> {
        if kind == PictureKind::TradeOff && !spec.has_several() {
            return Err(CliError::usage(
                format!(
                    "the study {} has one objective, {}, and no trade-off",
                    spec.name, spec.objective.metric
                ),
                format!("draw another kind: hpo plot {} lists them", spec.name),
            ));
        }
        self.objective
            .as_ref()
            .map_or(Ok(&spec.objective), |metric| objective_named(spec, metric))
    }
}

impl From<PngError> for CliError {
    fn from(error: PngError) -> Self {
        Self::Failed(format!("{error}; write an .svg instead"))
    }
}

/// The format that a file's name asks for.
fn format(path: &Path) -> Result<Format, CliError> {
    let extension = path
        .extension()
        .map(|extension| extension.to_string_lossy().to_lowercase());
    match extension.as_deref() {
        Some("svg") => Ok(Format::Svg),
        Some("png") => Ok(Format::Png),
        _ => Err(CliError::usage(
            format!("{} is neither an .svg nor a .png", path.display()),
            "let the name of the file end in .svg or .png",
        )),
    }
}

/// What can be drawn, a line for each.
fn kinds() -> String {
    let values = PictureKind::value_variants()
        .iter()
        .filter_map(ValueEnum::to_possible_value);
    let line = |value: clap::builder::PossibleValue| {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        format!("{:<11} {help}\n", value.get_name())
    };
    values.map(line).collect()
}
