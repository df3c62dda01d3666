//! From token vectors to one embedding per text.

use std::path::Path;

use hpo_protocol::embedding::{POOLING_MODES, Parameters, PoolingKind, pooling_mode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tch::{Kind, Tensor};

use super::json::{read_json, write_json};
use super::packed::Group;
use crate::error::{Error, Result};

/// What follows the encoder in a sentence-transformers model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The pooling.
    pub pooling: PoolingKind,
    /// Whether embeddings are scaled to length 1.
    pub normalise: bool,
    /// Whether the tokens of a prompt are pooled with those of its text.
    pub include_prompt: bool,
}

#[derive(Deserialize)]
struct Module {
    path: String,
    r#type: String,
}

/// The pooling of a `Pooling` module's configuration; none if it is one that is not supported, or several at once.
fn pooling(config: &Map<String, Value>) -> Option<PoolingKind> {
    serde_json::from_value(json!(pooling_mode(config)?)).ok()
}

impl Module {
    /// The name of its class; the package it is in has changed over time.
    fn kind(&self) -> &str {
        self.r#type.rsplit('.').next().unwrap_or_default()
    }
}

impl Head {
    /// Reads `modules.json` and the pooling configuration. Without `modules.json` it is mean pooling without
    /// normalisation, as in sentence-transformers.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut head = Self {
            pooling: PoolingKind::Mean,
            normalise: false,
            include_prompt: true,
        };
        let path = directory.join("modules.json");
        if !path.exists() {
            return Ok(head);
        }
        for module in read_json::<Vec<Module>>(&path)? {
            match module.kind() {
                "Transformer" if module.path.is_empty() => {}
                "Pooling" => {
                    let path = directory.join(&module.path).join("config.json");
                    let config: Map<String, Value> = read_json(&path)?;
                    head.include_prompt = config.get("include_prompt") != Some(&Value::Bool(false));
                    head.pooling = pooling(&config).ok_or_else(|| {
                        Error::file(
                            &path,
                            "this pooling is not supported; use a model with mean, cls or max pooling",
                        )
                    })?;
                }
                "Normalize" => head.normalise = true,
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

    /// The head that a trial trains with: its own choice, or else this one.
    pub fn chosen(self, parameters: &Parameters) -> Self {
        Self {
            pooling: parameters.pooling.unwrap_or(self.pooling),
            normalise: parameters.normalize.unwrap_or(self.normalise),
            ..self
        }
    }

    /// Makes `modules.json` and the pooling configuration of an exported directory say this head.
    ///
    /// They are in the form that all versions of sentence-transformers read. `hidden` is the width of a token's vector,
    /// `longest` the tokens of the longest text; they are written where the directory does not say them.
    pub fn write(self, directory: &Path, hidden: i64, longest: i64) -> Result<()> {
        let path = directory.join("modules.json");
        let place = if path.exists() {
            let modules: Vec<Module> = read_json(&path)?;
            modules
                .into_iter()
                .find(|module| module.kind() == "Pooling")
                .map(|module| module.path)
        } else {
            // Without it, sentence-transformers takes the number of position embeddings, which RoBERTa's texts exceed.
            let settings = directory.join("sentence_bert_config.json");
            if !settings.exists() {
                write_json(&settings, &json!({ "max_seq_length": longest, "do_lower_case": false }))?;
            }
            None
        };
        let place = place.unwrap_or_else(|| "1_Pooling".to_owned());
        let config = directory.join(&place).join("config.json");
        let mut pooling: Map<String, Value> = if config.exists() {
            read_json(&config)?
        } else {
            Map::new()
        };
        if !pooling.contains_key("embedding_dimension") {
            pooling.insert("word_embedding_dimension".to_owned(), json!(hidden));
        }
        pooling.remove("pooling_mode");
        for (key, mode) in POOLING_MODES {
            pooling.insert(key.to_owned(), json!(json!(mode) == json!(self.pooling)));
        }
        std::fs::create_dir_all(directory.join(&place)).map_err(Error::io("create", &config))?;
        write_json(&config, &Value::Object(pooling))?;
        let mut modules = vec![("", "Transformer"), (place.as_str(), "Pooling")];
        if self.normalise {
            modules.push(("2_Normalize", "Normalize"));
        }
        let modules = modules.iter().enumerate().map(|(place, (path, kind))| {
            json!({ "idx": place, "name": place.to_string(), "path": path,
                    "type": format!("sentence_transformers.models.{kind}") })
        });
        write_json(&path, &modules.collect())
    }

    /// Embeddings `[texts, hidden]` of packed token vectors `[tokens, hidden]`, in the order of the groups; scaled to
    /// length 1 only if the model does so. `left_out` is how many tokens of each text, in that order, are not pooled, from the first
    /// one; always fewer than it has. If it is empty, all are pooled.
    pub fn forward(&self, tokens: &Tensor, groups: &[Group], left_out: &[i64]) -> Result<Tensor> {
        let sizes: Vec<i64> = groups.iter().map(Group::tokens).collect();
        let mut pooled = Vec::with_capacity(groups.len());
        let mut from = 0;
        for (part, group) in tokens.f_split_with_sizes(&sizes, 0)?.iter().zip(groups) {
            let part = part.f_view([group.texts, group.length, -1])?;
            let to = from + group.texts as usize;
            let left_out = left_out.get(from..to).unwrap_or_default();
            from = to;
            pooled.push(if left_out.iter().any(|&tokens| tokens > 0) {
                self.behind(&part, left_out)?
            } else {
                match self.pooling {
                    PoolingKind::Mean => part.f_mean_dim(1, false, Kind::Float)?,
                    PoolingKind::Cls => part.f_select(1, 0)?,
                    // With `amax` equal values would share the gradient; the reference gives it to one of them.
                    PoolingKind::Max => part.f_max_dim(1, false)?.0,
                }
            });
        }
        let pooled = Tensor::f_cat(&pooled, 0)?;
        if self.normalise { normalise(&pooled) } else { Ok(pooled) }
    }

    /// The same of token vectors `[texts, length, hidden]` but for the first of each text.
    fn behind(&self, part: &Tensor, left_out: &[i64]) -> Result<Tensor> {
        let (texts, length, _) = part.size3()?;
        let first = Tensor::f_from_slice(left_out)?
            .f_to_device(part.device())?
            .f_view([texts, 1, 1])?;
        let places = Tensor::f_arange(length, (Kind::Int64, part.device()))?.f_view([1, length, 1])?;
        let without = places.f_less_tensor(&first)?;
        Ok(match self.pooling {
            PoolingKind::Mean => {
                let sum = part
                    .f_masked_fill(&without, 0.0)?
                    .f_sum_dim_intlist(1, false, Kind::Float)?;
                let counts = first.f_neg()?.f_add_scalar(length as f64)?.f_view([texts, 1])?;
                sum.f_div(&counts)?
            }
            PoolingKind::Cls => part.f_take_along_dim(&first, 1)?.f_squeeze_dim(1)?,
            PoolingKind::Max => part.f_masked_fill(&without, f64::NEG_INFINITY)?.f_max_dim(1, false)?.0,
        })
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
