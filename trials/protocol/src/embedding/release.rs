//! Which release of the embedding trainer this is.

use serde_json::json;

use super::columns::Columns;
use super::evaluation::{Classifier, Evaluation, EvaluationKind, Every};
use super::parameters::{PARAMETERS, Parameters};
use super::prompts::{PromptSource, Prompts};
use super::settings::{Negatives, Settings, ValidationLoss};

/// The version, and a digest of all that can be set: the trainer sends it, and `hpo` compares it with its own. If they are equal, both
/// understand a study's file alike.
pub fn release() -> String {
    let keys = [Settings::KEYS, Columns::KEYS, Prompts::KEYS, Evaluation::KEYS].map(|keys| {
        let names: Vec<&str> = keys.iter().map(|key| key.name).collect();
        names.join(" ")
    });
    let choices = [
        ValidationLoss::CHOICES,
        Negatives::CHOICES,
        PromptSource::CHOICES,
        EvaluationKind::CHOICES,
        Classifier::CHOICES,
        Every::CHOICES,
    ];
    let choices = choices.map(|choices| {
        let names: Vec<&str> = choices.iter().map(|choice| choice.name).collect();
        names.join(" ")
    });
    let metrics = EvaluationKind::ALL.iter().map(|kind| kind.metrics().join(" "));
    let parameters = PARAMETERS
        .iter()
        .map(|parameter| format!("{} {} {:?}", parameter.name, parameter.domain, parameter.needs));
    let all: Vec<String> = keys
        .into_iter()
        .chain(choices)
        .chain(metrics)
        .chain(parameters)
        .collect();
    let text = all.join("\n") + &json!(Parameters::default()).to_string();
    format!("{} {:016x}", env!("CARGO_PKG_VERSION"), fnv(&text))
}

/// FNV-1a of 64 bits (Fowler, Noll & Vo): the same on all machines and of all compilers.
fn fnv(text: &str) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_that_of_the_reference() {
        assert_eq!(
            [fnv(""), fnv("a"), fnv("foobar")],
            [0xcbf2_9ce4_8422_2325, 0xaf63_dc4c_8601_ec8c, 0x8594_4171_f739_67e8]
        );
        assert!(release().starts_with(concat!(env!("CARGO_PKG_VERSION"), " ")));
    }
}
