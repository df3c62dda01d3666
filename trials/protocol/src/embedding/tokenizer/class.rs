//! The tokenizer classes of Transformers.

use serde_json::Value;

use super::{CONFIG, Object, Refusal, SETTINGS, TOKENIZER};

/// The classes that are reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// `tokenizer.json` as it is.
    Whole,
    Bert,
    Roberta,
    XlmRoberta,
    Camembert,
    Mpnet,
}

/// What `tokenizer_class` may be, without `Fast`, and the class that Transformers 5 has for it.
const CLASSES: [(&str, Class); 18] = [
    ("TokenizersBackend", Class::Whole),
    ("PreTrainedTokenizer", Class::Whole),
    ("PythonBackend", Class::Whole),
    ("BertTokenizer", Class::Bert),
    ("DistilBertTokenizer", Class::Bert),
    ("ElectraTokenizer", Class::Bert),
    ("LayoutLMTokenizer", Class::Bert),
    ("LxmertTokenizer", Class::Bert),
    ("MobileBertTokenizer", Class::Bert),
    ("SqueezeBertTokenizer", Class::Bert),
    ("RobertaTokenizer", Class::Roberta),
    ("BartTokenizer", Class::Roberta),
    ("LEDTokenizer", Class::Roberta),
    ("LongformerTokenizer", Class::Roberta),
    ("MvpTokenizer", Class::Roberta),
    ("XLMRobertaTokenizer", Class::XlmRoberta),
    ("CamembertTokenizer", Class::Camembert),
    ("MPNetTokenizer", Class::Mpnet),
];

/// The class of each family where no file names one.
const OF_FAMILIES: [(&str, Class); 6] = [
    ("bert", Class::Bert),
    ("distilbert", Class::Bert),
    ("roberta", Class::Roberta),
    ("xlm-roberta", Class::XlmRoberta),
    ("camembert", Class::Camembert),
    ("mpnet", Class::Mpnet),
];

impl Class {
    /// The class of a directory, and the name that it has there.
    pub(super) fn of(config: &Object, settings: &Object) -> Result<(Self, String), Refusal> {
        let named = |from: &Object| from.get("tokenizer_class").and_then(Value::as_str).map(str::to_owned);
        let (file, name) = match (named(settings), named(config)) {
            (Some(name), _) => (SETTINGS, name),
            (None, Some(name)) => (CONFIG, name),
            (None, None) => {
                let family = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
                let of_family = OF_FAMILIES.iter().find(|(name, _)| *name == family);
                let class = of_family.map_or(Self::Whole, |(_, class)| *class);
                return Ok((class, class.name().to_owned()));
            }
        };
        let plain = name.strip_suffix("Fast").unwrap_or(&name);
        match CLASSES.iter().find(|(known, _)| *known == plain) {
            Some((_, class)) => Ok((*class, name)),
            None => Err(Refusal::new(
                file,
                format!("tokenizer_class `{name}` is not supported"),
                format!(
                    "use a model with one of {}; if Transformers gives the same tokens with `TokenizersBackend`, which takes \
                     `{TOKENIZER}` as it is, write that",
                    names()
                ),
            )),
        }
    }

    pub(super) fn name(self) -> &'static str {
        let found = CLASSES.iter().find(|(_, class)| *class == self);
        found.map_or("", |(name, _)| name)
    }

    /// The type of model that `tokenizer.json` must have.
    pub(super) fn model(self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Bert | Self::Mpnet => Some("WordPiece"),
            Self::Roberta => Some("BPE"),
            Self::XlmRoberta | Self::Camembert => Some("Unigram"),
        }
    }

    /// What one of [`NAMED`] is where it is not said.
    pub(super) fn token(self, key: &str) -> Option<&'static str> {
        match (self, key) {
            (Self::Whole, _) | (Self::Bert, "bos_token" | "eos_token") => None,
            (Self::Bert | Self::Mpnet, "unk_token") => Some("[UNK]"),
            (Self::Bert, "sep_token") => Some("[SEP]"),
            (Self::Bert, "pad_token") => Some("[PAD]"),
            (Self::Bert, "cls_token") => Some("[CLS]"),
            (Self::Bert, "mask_token") => Some("[MASK]"),
            (_, "bos_token" | "cls_token") => Some("<s>"),
            (_, "eos_token" | "sep_token") => Some("</s>"),
            (_, "unk_token") => Some("<unk>"),
            (_, "pad_token") => Some("<pad>"),
            (_, "mask_token") => Some("<mask>"),
            (_, _) => None,
        }
    }
}

/// The names of the classes that are built anew, as a list in a sentence.
fn names() -> String {
    let mut names = OF_FAMILIES.map(|(_, class)| format!("`{}`", class.name())).to_vec();
    names.dedup();
    names.push("`TokenizersBackend`".to_owned());
    names.join(", ")
}
