//! `[sampler]`: how configurations are drawn.

use super::reader::{Result, Table};
use super::settings;
use crate::study::SamplerSpec;

/// Reads the table.
pub(super) fn read(table: &Table) -> Result<SamplerSpec> {
    let kind = settings::kind(table, "sampler", SamplerSpec::KINDS, SamplerSpec::USUAL, &[], false)?;
    Ok((kind.read)(&settings::read(table, kind.about.keys)?))
}
