//! RoBERTa (Liu et al., 2019), and those made in its way: XLM-RoBERTa (Conneau et al., 2020), CamemBERT (Martin et al.,
//! 2020). It computes what BERT computes, but for the numbers of positions.

use super::bert::Keys;
use super::{Encoder, from_str};
use crate::model::packed::Positions;

/// Reads `config.json`.
pub fn read(text: &str) -> Result<Box<dyn Encoder>, String> {
    let keys: Keys = from_str(text)?;
    let positions = Positions::AfterPadding(keys.pad_token_id.unwrap_or(1));
    keys.encoder(positions, "roberta.")
}
