//! `[sampler]`: how configurations are drawn.

use super::reader::{Results, Table};
use super::settings;
use crate::study::SamplerSpec;

/// Reads the table.
pub(super) fn read(table: &Table) -> Results<SamplerSpec> {
    let kind = settings::kind(table, "sampler", SamplerSpec::KINDS, SamplerSpec::USUAL, &[], false)?;
    Ok((kind.read)(&settings::read(table, kind.about.keys)?))
}
