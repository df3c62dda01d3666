//! What the embedding trainer needs of a model directory, as far as it can be known without libtorch.

use serde_json::{Map, Value};

use super::tokenizer::SENTENCE_FILES;

/// A family of encoders that the trainer supports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// `model_type` of `config.json`.
    pub name: &'static str,
    /// What stands before the number of a layer in the names of its weights.
    pub layer: &'static str,
    keys: &'static Keys,
    /// The id of the token after whose number positions begin; none if they begin at 0.
    padding: Option<Padding>,
    /// Whether its `position_embedding_type` must be `absolute`.
    absolute: bool,
}

/// The keys of a family's `config.json`.
#[derive(Debug, PartialEq, Eq)]
struct Keys {
    layers: &'static str,
    hidden: &'static str,
    heads: &'static str,
    inner: &'static str,
    activation: &'static str,
}

/// The id of the token that pads texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Padding {
    /// `pad_token_id` of `config.json`, or 1.
    Configured,
    /// 1.
    Fixed,
}

const BERT: Keys = Keys {
    layers: "num_hidden_layers",
    hidden: "hidden_size",
    heads: "num_attention_heads",
    inner: "intermediate_size",
    activation: "hidden_act",
};

const DISTILBERT: Keys = Keys {
    layers: "n_layers",
    hidden: "dim",
    heads: "n_heads",
    inner: "hidden_dim",
    activation: "activation",
};

const fn bert_like(name: &'static str, padding: Option<Padding>) -> Family {
    Family {
        name,
        layer: "encoder.layer.",
        keys: &BERT,
        padding,
        absolute: true,
    }
}

/// All of them.
pub const FAMILIES: [Family; 6] = [
    bert_like("bert", None),
    bert_like("roberta", Some(Padding::Configured)),
    bert_like("xlm-roberta", Some(Padding::Configured)),
    bert_like("camembert", Some(Padding::Configured)),
    Family {
        name: "distilbert",
        layer: "transformer.layer.",
        keys: &DISTILBERT,
        padding: None,
        absolute: false,
    },
    Family {
        absolute: false,
        ..bert_like("mpnet", Some(Padding::Fixed))
    },
];

/// The word embeddings, which every encoder has, `[vocabulary, hidden]`: the end of their name in the weight files.
pub const WORD_EMBEDDINGS: &str = "embeddings.word_embeddings.weight";

/// The files at the top of a model directory, weights aside, that decide what the trainer makes of it. Those of the modules that
/// `modules.json` names come in addition.
pub const FILES: [&str; 14] = {
    let [a, b, c, d, e, f, g] = SENTENCE_FILES;
    [
        "config.json",
        "modules.json",
        "config_sentence_transformers.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        a,
        b,
        c,
        d,
        e,
        f,
        g,
    ]
};

/// The keys that sentence-transformers had in a pooling's `config.json` before `pooling_mode`, and the pooling that each asks for.
pub const POOLING_MODES: [(&str, &str); 6] = [
    ("pooling_mode_cls_token", "cls"),
    ("pooling_mode_max_tokens", "max"),
    ("pooling_mode_mean_tokens", "mean"),
    ("pooling_mode_mean_sqrt_len_tokens", "mean_sqrt_len_tokens"),
    ("pooling_mode_weightedmean_tokens", "weightedmean"),
    ("pooling_mode_lasttoken", "lasttoken"),
];

/// The name of the pooling that a `Pooling` module's configuration asks for; none if several at once.
pub fn pooling_mode(config: &Map<String, Value>) -> Option<&str> {
    if let Some(mode) = config.get("pooling_mode") {
        return mode.as_str();
    }
    let mut on = POOLING_MODES
        .iter()
        .filter(|(key, _)| config.get(*key) == Some(&Value::Bool(true)));
    match (on.next(), on.next()) {
        (None, _) => Some("mean"),
        (Some((_, mode)), None) => Some(mode),
        (Some(_), Some(_)) => None,
    }
}

/// The sizes of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Its family.
    pub family: Family,
    /// Its layers, at least 1.
    pub layers: u64,
    /// The tokens of the longest text, at least 1.
    pub longest: u64,
    /// The rows of its word embeddings.
    pub vocabulary: u64,
    /// The width of a token's vector.
    pub hidden: u64,
}

impl Sizes {
    /// Those that the text of a `config.json` gives.
    ///
    /// # Errors
    /// Why the trainer can't use such a model, as it would report it: a part of a sentence that names the key.
    pub fn read(config: &str) -> Result<Self, String> {
        let config: Map<String, Value> = serde_json::from_str(config).map_err(|error| error.to_string())?;
        let name = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
        let family = FAMILIES
            .into_iter()
            .find(|family| family.name == name)
            .ok_or_else(|| format!("model_type `{name}` is not supported; use a model of type {}", names()))?;
        let keys = family.keys;
        let size = |key: &str| match config.get(key).map(Value::as_u64) {
            None => Err(format!("`{key}` is missing")),
            Some(Some(size)) if size > 0 => Ok(size),
            Some(_) => Err(format!("`{key}` must be a whole number of at least 1")),
        };
        let (hidden, heads) = (size(keys.hidden)?, size(keys.heads)?);
        size(keys.inner)?;
        if hidden % heads != 0 {
            return Err(format!("{} must be a multiple of {}", keys.hidden, keys.heads));
        }
        check_optional(&config, keys)?;
        let text = |key: &str| config.get(key).and_then(Value::as_str);
        if let Some(other) = text(keys.activation).filter(|activation| *activation != "gelu") {
            let key = keys.activation;
            return Err(format!("{key} `{other}` is not supported; use a model with `gelu`"));
        }
        let relative = text("position_embedding_type").filter(|kind| family.absolute && *kind != "absolute");
        if let Some(kind) = relative {
            return Err(format!(
                "position_embedding_type `{kind}` is not supported; use a model with `absolute`"
            ));
        }
        if config.get("is_decoder") == Some(&Value::Bool(true)) {
            return Err(
                "is_decoder is not supported; use an encoder, whose tokens see those behind them too".to_owned(),
            );
        }
        if config
            .get("quantization_config")
            .is_some_and(|quantized| !quantized.is_null())
        {
            return Err("quantization_config is not supported; use a model whose weights are not quantised".to_owned());
        }
        let first = match family.padding {
            None => 0,
            Some(Padding::Fixed) => 2,
            Some(Padding::Configured) => config.get("pad_token_id").and_then(Value::as_u64).unwrap_or(1) + 1,
        };
        let longest = size("max_position_embeddings")?.saturating_sub(first);
        if longest == 0 {
            return Err("max_position_embeddings leaves no room for a text".to_owned());
        }
        Ok(Self {
            family,
            layers: size(keys.layers)?,
            longest,
            vocabulary: size("vocab_size")?,
            hidden,
        })
    }
}

/// Checks keys that a `config.json` need not have.
fn check_optional(config: &Map<String, Value>, keys: &Keys) -> Result<(), String> {
    type Fits = fn(&Value) -> bool;
    let is_text: (Fits, _) = (Value::is_string, "a text");
    let is_count: (Fits, _) = (
        |value| value.as_u64().is_some_and(|count| count > 0),
        "a whole number of at least 1",
    );
    let is_token: (Fits, _) = (
        |value| value.is_null() || value.as_u64().is_some_and(|token| token < u64::from(u32::MAX)),
        "the number of a token",
    );
    let is_small: (Fits, _) = (
        |value| value.as_f64().is_some_and(|eps| (0.0..1.0).contains(&eps)),
        "a number from 0 to below 1",
    );
    let bert = [
        ("layer_norm_eps", is_small),
        ("type_vocab_size", is_count),
        ("pad_token_id", is_token),
        ("position_embedding_type", is_text),
        ("relative_attention_num_buckets", is_count),
    ];
    let own = bert.into_iter().filter(|_| *keys == BERT);
    for (key, (fits, what)) in own.chain([(keys.activation, is_text)]) {
        if let Some(value) = config.get(key).filter(|value| !fits(value)) {
            return Err(format!("`{key}` must be {what}, not {value}"));
        }
    }
    Ok(())
}

/// The names of all families, as a list in a sentence.
fn names() -> String {
    let mut names = FAMILIES.map(|family| format!("`{}`", family.name)).to_vec();
    let last = names.pop().unwrap_or_default();
    format!("{} or {last}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn config(family: &str, of: &Value) -> String {
        let mut config = json!({
            "model_type": family, "vocab_size": 99, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 64, "max_position_embeddings": 40
        });
        if family == "distilbert" {
            config = json!({
                "model_type": family, "vocab_size": 99, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64,
                "max_position_embeddings": 40
            });
        }
        for (key, value) in of.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        config.to_string()
    }

    #[test]
    fn the_longest_text_is_that_of_the_family() {
        let longest = |family: &str, of: Value| Sizes::read(&config(family, &of)).map(|sizes| sizes.longest);
        assert_eq!(longest("bert", json!({})), Ok(40));
        assert_eq!(longest("distilbert", json!({})), Ok(40));
        assert_eq!(longest("roberta", json!({})), Ok(38));
        assert_eq!(longest("xlm-roberta", json!({ "pad_token_id": 5 })), Ok(34));
        assert_eq!(longest("mpnet", json!({ "pad_token_id": 5 })), Ok(38));
    }

    #[test]
    fn what_the_trainer_does_not_take_is_refused_with_the_key() {
        let refusal = |family: &str, of: Value| Sizes::read(&config(family, &of)).unwrap_err();
        let unknown = refusal("modernbert", json!({}));
        assert!(
            unknown.contains("`modernbert`") && unknown.contains("or `mpnet`"),
            "{unknown}"
        );
        assert!(refusal("bert", json!({ "hidden_act": "relu" })).starts_with("hidden_act `relu`"));
        assert!(refusal("distilbert", json!({ "activation": "relu" })).starts_with("activation `relu`"));
        assert!(refusal("bert", json!({ "num_hidden_layers": 0 })).contains("`num_hidden_layers`"));
        assert!(refusal("roberta", json!({ "position_embedding_type": "relative_key" })).contains("relative_key"));
        assert!(refusal("roberta", json!({ "max_position_embeddings": 2 })).contains("no room"));
        assert!(refusal("bert", json!({ "is_decoder": true })).starts_with("is_decoder"));
        assert!(refusal("bert", json!({ "quantization_config": {} })).starts_with("quantization_config"));
        for (key, value) in [
            ("layer_norm_eps", json!("1e-12")),
            ("layer_norm_eps", json!(-1e-12)),
            ("layer_norm_eps", json!(null)),
            ("type_vocab_size", json!(0)),
            ("pad_token_id", json!("0")),
            ("hidden_act", json!(["gelu"])),
            ("position_embedding_type", json!(1)),
        ] {
            let message = refusal("bert", json!({ key: value }));
            assert!(message.starts_with(&format!("`{key}` must be ")), "{message}");
        }
        assert!(Sizes::read(&config("distilbert", &json!({ "layer_norm_eps": null }))).is_ok());
        assert!(Sizes::read("{").unwrap_err().contains("EOF"));
    }

    #[test]
    fn a_pooling_is_named_in_either_way() {
        let mode = |config: Value| {
            config
                .as_object()
                .and_then(|config| pooling_mode(config).map(str::to_owned))
        };
        assert_eq!(mode(json!({})).as_deref(), Some("mean"));
        assert_eq!(mode(json!({ "pooling_mode": "cls" })).as_deref(), Some("cls"));
        assert_eq!(mode(json!({ "pooling_mode_max_tokens": true })).as_deref(), Some("max"));
        let both = json!({ "pooling_mode_max_tokens": true, "pooling_mode_cls_token": true });
        assert_eq!(mode(both), None);
    }
}
