//! `hpo report`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::CliError;
use super::output::{check_output, write};
use super::study::{Studies, find};
use super::version::commit;
use crate::analysis::Segments;
use crate::store::StudyReader;
use crate::view::{Page, Reported, notify};

/// The arguments of `hpo report`.
#[derive(Debug, clap::Args)]
pub(super) struct Report {
    /// The study: its name, its directory, or its file
    study: PathBuf,

    /// Write to this file, which must not exist [default: report.html, or report.md]; the pictures of Markdown are put into a directory
    /// beside it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The format [default: by the file's name, else html]
    #[arg(long, value_enum)]
    format: Option<Format>,

    /// Overwrite what was written before
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file that needs nothing else
    Html,
    /// Markdown, with its pictures beside it
    Md,
}

impl Report {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let format = self.format()?;
        let default = match format {
            Format::Html => "report.html",
            Format::Md => "report.md",
        };
        let path = self.output.clone().unwrap_or_else(|| default.into());
        let pictures = beside(&path);
        check_output(&path, self.force)?;
        let directory = find(studies, Some(&self.study))?;
        let running = directory.is_locked();
        let mut segments = Segments::default();
        let reader = StudyReader::open_with(directory, |study, record| segments.observe(study, &record))?;
        let page = Page::of(&Reported {
            study: reader.study(),
            segments: &segments,
            directory: reader.directory(),
            running,
            origin: reader.origin(),
            version: reader.version(),
            commit: commit(),
        });
        match format {
            Format::Html => write(&path, page.html().as_bytes(), self.force)?,
            Format::Md => {
                self.write_pictures(&page, &pictures)?;
                let name = pictures.file_name().unwrap_or_default().to_string_lossy();
                write(&path, page.markdown(&name).as_bytes(), self.force)?;
            }
        }
        notify(&format!("report written to {}", path.display()));
        Ok(())
    }

    fn format(&self) -> Result<Format, CliError> {
        let Some(path) = &self.output else {
            return Ok(self.format.unwrap_or(Format::Html));
        };
        let extension = path
            .extension()
            .map(|extension| extension.to_string_lossy().to_lowercase());
        match (self.format, extension.as_deref()) {
            (Some(format), _) => Ok(format),
            (None, Some("html" | "htm")) => Ok(Format::Html),
            (None, Some("md" | "markdown")) => Ok(Format::Md),
            (None, _) => Err(CliError::usage(
                format!("{} is neither an .html nor an .md", path.display()),
                "let the name of the file end in .html or .md, or add --format",
            )),
        }
    }

    /// Writes the pictures into a directory of their own.
    fn write_pictures(&self, page: &Page, directory: &Path) -> Result<(), CliError> {
        for picture in page.pictures() {
            check_output(&file(directory, &picture.name), self.force)?;
        }
        page.pictures().try_for_each(|picture| {
            let path = file(directory, &picture.name);
            write(&path, picture.svg().as_bytes(), self.force)
        })
    }
}

fn file(directory: &Path, name: &str) -> PathBuf {
    directory.join(format!("{name}.svg"))
}

/// The directory for the pictures of a report.
fn beside(report: &Path) -> PathBuf {
    let mut name = report.file_stem().map_or_else(OsString::new, OsString::from);
    name.push("-pictures");
    report.with_file_name(name)
}
