//! MPNet (Song et al., 2020): a BERT without token types, whose attention also knows how far apart tokens are.

use serde::Deserialize;

use super::bert;
use super::post_norm::{Names, PostNorm, Traits};
use super::{Encoder, from_str};
use crate::model::packed::Positions;
use crate::model::post_norm::Relative;

/// Distances have a row each up to here, in either direction.
const EXACT: u64 = 8;
/// Rows for each direction. Their bounds grow by powers of two from [`EXACT`], two rows to a power, and the last holds all
/// that is further away.
const ROWS: usize = 16;
/// The token that pads texts, whatever `config.json` says.
const PADDING: u32 = 1;

#[derive(Deserialize)]
struct Keys {
    #[serde(flatten)]
    common: bert::Keys,
    #[serde(default = "relative_attention_num_buckets")]
    relative_attention_num_buckets: i64,
}

fn relative_attention_num_buckets() -> i64 {
    2 * ROWS as i64
}

const NAMES: Names = Names {
    layer: "encoder.layer",
    qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    output: "attention.attn.o",
    attention_norm: "attention.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    norm: "output.LayerNorm",
};

/// Reads `config.json`.
pub fn read(text: &str) -> Result<Box<dyn Encoder>, String> {
    let keys: Keys = from_str(text)?;
    let config = keys.common.config(Positions::AfterPadding(PADDING), "mpnet.")?;
    let rows = keys.relative_attention_num_buckets;
    // Transformers finds rows as if it were 32, whatever it is.
    if rows < relative_attention_num_buckets() {
        return Err(format!(
            "relative_attention_num_buckets is {rows}; it must be at least 32"
        ));
    }
    let traits = Traits {
        eps: keys.common.layer_norm_eps,
        drops_output: true,
        types: None,
        relative: Some(Relative {
            table: ("encoder.relative_attention_bias.weight", rows),
            bucket,
        }),
    };
    Ok(Box::new(PostNorm::new(config, &NAMES, &traits)))
}

/// The row of a distance, from the key's position less the query's (Raffel et al., 2020, section 2.1).
fn bucket(distance: i64) -> usize {
    let length = distance.unsigned_abs();
    let row = if length < EXACT {
        length
    } else {
        // Twice the logarithm to base 2 of the quotient, rounded down.
        EXACT + u64::from((length * length / (EXACT * EXACT)).ilog2())
    };
    let row = (row as usize).min(ROWS - 1);
    if distance > 0 { ROWS + row } else { row }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distances at which `MPNetEncoder.relative_position_bucket` of Transformers goes on to the next row.
    #[test]
    fn buckets_are_those_of_transformers() {
        let starts = [0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91];
        for distance in 0..600 {
            let row = starts.iter().filter(|&&start| start <= distance).count() - 1;
            assert_eq!(bucket(-distance), row);
            assert_eq!(bucket(distance), if distance > 0 { ROWS + row } else { row });
        }
    }
}
