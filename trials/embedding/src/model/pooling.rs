//! From token vectors to one embedding per text.

use std::path::Path;

use serde::Deserialize;
use tch::{Kind, Tensor};

use super::config::read_json;
use super::packed::Group;
use crate::error::{Error, Result};

/// How the token vectors of a text become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The mean over all tokens, special ones included.
    Mean,
    /// The vector of the first token.
    Cls,
}

/// What follows the encoder in a sentence-transformers model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The pooling.
    pub pooling: Pooling,
    /// Whether embeddings are scaled to length 1.
    pub normalise: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    r#type: String,
}

#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode: Option<String>,
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
    #[serde(default)]
    pooling_mode_max_tokens: bool,
    #[serde(default)]
    pooling_mode_mean_sqrt_len_tokens: bool,
    #[serde(default)]
    pooling_mode_weightedmean_tokens: bool,
    #[serde(default)]
    pooling_mode_lasttoken: bool,
}

impl PoolingConfig {
    fn pooling(&self) -> Option<Pooling> {
        let others = self.pooling_mode_max_tokens
            || self.pooling_mode_mean_sqrt_len_tokens
            || self.pooling_mode_weightedmean_tokens
            || self.pooling_mode_lasttoken;
        match self.pooling_mode.as_deref() {
            Some("mean") => Some(Pooling::Mean),
            Some("cls") => Some(Pooling::Cls),
            Some(_) => None,
            None => match (self.pooling_mode_cls_token, self.pooling_mode_mean_tokens, others) {
                (false, true, false) => Some(Pooling::Mean),
                (true, false, false) => Some(Pooling::Cls),
                _ => None,
            },
        }
    }
}

impl Head {
    /// Reads `modules.json` and the pooling configuration. Without `modules.json` it is mean pooling without
    /// normalisation, as in sentence-transformers.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut head = Self {
            pooling: Pooling::Mean,
            normalise: false,
        };
        let path = directory.join("modules.json");
        if !path.exists() {
            return Ok(head);
        }
        for module in read_json::<Vec<Module>>(&path)? {
            match module.r#type.rsplit('.').next() {
                Some("Transformer") if module.path.is_empty() => {}
                Some("Pooling") => {
                    let path = directory.join(&module.path).join("config.json");
                    head.pooling = read_json::<PoolingConfig>(&path)?.pooling().ok_or_else(|| {
                        Error::file(
                            &path,
                            "this pooling is not supported; use a model with mean or cls pooling",
                        )
                    })?;
                }
                Some("Normalize") => head.normalise = true,
                _ => {
                    let Module { path: place, r#type } = module;
                    let message = format!(
                        "module `{type}` at `{place}` is not supported; use a model of a Transformer (at the top), a \
                         Pooling and at most a Normalize"
                    );
                    return Err(Error::file(&path, message));
                }
            }
        }
        Ok(head)
    }

    /// Embeddings `[texts, hidden]` of packed token vectors `[tokens, hidden]`, in the order of the groups; scaled to
    /// length 1 only if the model does so.
    pub fn forward(&self, tokens: &Tensor, groups: &[Group]) -> Result<Tensor> {
        let sizes: Vec<i64> = groups.iter().map(Group::tokens).collect();
        let mut pooled = Vec::with_capacity(groups.len());
        for (part, group) in tokens.f_split_with_sizes(&sizes, 0)?.iter().zip(groups) {
            let part = part.f_view([group.texts, group.length, -1])?;
            pooled.push(match self.pooling {
                Pooling::Mean => part.f_mean_dim(1, false, Kind::Float)?,
                Pooling::Cls => part.f_select(1, 0)?,
            });
        }
        let pooled = Tensor::f_cat(&pooled, 0)?;
        if self.normalise { normalise(&pooled) } else { Ok(pooled) }
    }
}

/// Rows `[texts, hidden]` scaled to length 1; a row shorter than 1e-12 is divided by that, as in PyTorch's `normalize`.
pub fn normalise(rows: &Tensor) -> Result<Tensor> {
    let length = rows
        .f_square()?
        .f_sum_dim_intlist(-1, true, Kind::Float)?
        .f_clamp_min(1e-24)?
        .f_sqrt()?;
    Ok(rows.f_div(&length)?)
}
