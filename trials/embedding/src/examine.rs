//! Whether trials can be trained at all from a study's base models: what workers would find out only once there is a study.

use std::io::{Read, Write};
use std::path::Path;
use std::thread::available_parallelism;

use hpo_data::Sets;
use hpo_protocol::embedding::{Examined, Flaw, Flawed, Kind, PromptSet, Settings, release};
use tch::Device;

use crate::error::{Error, PROMPT, Result, words};
use crate::evaluate::Source;
use crate::examples::Examples;
use crate::kept_tokens::KeptTokens;
use crate::model::Base;
use crate::prepare::differ;
use crate::tensors::is_finite;
use crate::worker::{exit, guarded, limit_threads};

/// So many texts of the data are embedded, to see whether the model computes.
const TRIED: usize = 8;

/// What is wrong, and what it is in.
type Wrong = (Flawed, Error);

/// Examines the base models of the settings on standard input, and writes what is wrong with them to standard output.
pub fn serve() -> ! {
    if let Err(error) = answer() {
        eprintln!("{error}");
        std::process::exit(1);
    }
    exit()
}

fn answer() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let settings = serde_json::from_str(&text)?;
    limit_threads(available_parallelism().map_or(1, usize::from))?;
    let examined = Examined {
        release: release(),
        flaws: examine(&settings),
    };
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, &examined)?;
    Ok(out.flush()?)
}

/// All that is wrong with the base models of a study, with what they make of its data, and with its prompts. What is wrong with the data
/// themselves is not reported here: `hpo` reads them too.
pub fn examine(settings: &Settings) -> Vec<Flaw> {
    let data = hpo_data::load(settings).ok();
    let sources = Source::all(&settings.evaluations).unwrap_or_default();
    let mut kinds: Vec<Kind> = data.iter().map(|sets| sets.report.kind).collect();
    kinds.extend(sources.iter().map(Source::kind));
    let mut flaws = Vec::new();
    for (model, directory) in settings.model.each() {
        let about = |of, message, help: &str| Flaw {
            model: model.map(str::to_owned),
            of,
            message,
            help: help.to_owned(),
        };
        const HELP: &str = "use another model, or download this one again";
        match guarded(|| Ok(wrong(settings, directory, data.as_ref(), &kinds))) {
            Ok(wrong) => flaws.extend(wrong.into_iter().map(|(of, error)| match &error {
                Error::Prompt { prompt, max_length } => {
                    let message = format!(
                        "the prompt {prompt:?} alone has all of the {max_length} tokens of `max_length`, or more"
                    );
                    about(of, message, PROMPT)
                }
                Error::Alike { what, max_length } => about(of, what.clone(), &words(*max_length)),
                Error::Torch(_)
                | Error::Io { .. }
                | Error::Data(_)
                | Error::File { .. }
                | Error::Memory { .. }
                | Error::Invalid(_) => about(of, error.to_string(), HELP),
            })),
            Err(message) => {
                let message = format!("the model `{}` can't be used: {message}", directory.display());
                flaws.push(about(Flawed::Model, message, HELP));
            }
        }
    }
    flaws
}

/// What is wrong with a base model: if it can be loaded, with each set of prompts.
fn wrong(settings: &Settings, directory: &Path, data: Option<&Sets>, kinds: &[Kind]) -> Vec<Wrong> {
    let max_length = settings.max_length;
    let loaded = Base::load(directory, Device::Cpu).and_then(|base| {
        let tokens = KeptTokens::new(directory, max_length, base.config.vocab_size, None);
        tokens.tokens()?.fit(directory)?;
        computes(&base, &tokens, data)?;
        Ok((base, tokens))
    });
    let (base, tokens) = match loaded {
        Ok(loaded) => loaded,
        Err(error) => return vec![(Flawed::Model, error)],
    };
    let usual = settings.prompts.iter().map(|set| (None, set));
    let named = settings.prompt_sets.iter();
    let sets = usual.chain(named.map(|(name, set)| (Some(name.clone()), set)));
    let wrong = |(name, set)| of_prompts((name, set), &base, &tokens, max_length, data, kinds);
    sets.flat_map(wrong).collect()
}

/// What is wrong with a base model if those prompts stand before texts.
fn of_prompts(
    (name, set): (Option<String>, &PromptSet),
    base: &Base,
    tokens: &KeptTokens,
    max_length: usize,
    data: Option<&Sets>,
    kinds: &[Kind],
) -> Vec<Wrong> {
    let roles = set.roles(&base.prompts);
    let mut prompts: Vec<&str> = Vec::new();
    for prompt in kinds.iter().flat_map(|kind| roles.columns(*kind)) {
        if !prompts.contains(&prompt) {
            prompts.push(prompt);
        }
    }
    let too_long = prompts
        .iter()
        .filter_map(|prompt| Some((Flawed::Prompts(name.clone()), tokens.behind(prompt, &[]).err()?)));
    let wrong: Vec<Wrong> = too_long.collect();
    if !wrong.is_empty() {
        return wrong;
    }
    let measured = data.into_iter().flat_map(|sets| {
        let test = sets.test.as_ref().map(|test| (test, "test"));
        [(&sets.validation, "validation")].into_iter().chain(test)
    });
    let alike = measured.filter_map(|(data, what)| {
        let examples = Examples::of(data, tokens, &roles);
        let differ = examples.and_then(|examples| differ(&examples, what, &base.directory, max_length));
        Some((Flawed::Model, differ.err()?))
    });
    alike.collect()
}

/// Has a model embed a few texts.
///
/// # Errors
/// If it can't, or the embeddings are not finite.
fn computes(base: &Base, tokens: &KeptTokens, data: Option<&Sets>) -> Result<()> {
    let texts = data.into_iter().flat_map(|sets| &sets.validation.texts);
    let texts: Vec<&str> = texts.take(TRIED).map(String::as_str).chain(["text"]).collect();
    let tokenised = tokens.encode(&texts)?.texts;
    let texts: Vec<&[u32]> = tokenised.iter().map(AsRef::as_ref).collect();
    let embeddings = base.model(&base.weights)?.embed(&texts)?;
    match is_finite(&embeddings.f_contiguous()?)? {
        true => Ok(()),
        false => Err(base.not_finite()),
    }
}
