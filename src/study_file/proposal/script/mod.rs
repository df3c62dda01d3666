//! A study's file for a training script, by what the script says of its options.

mod help;
mod known;

use std::fmt::Write as _;
use std::path::Path;

use hpo_script::{CHECKPOINT_DIR, RESOURCE, SEED, THREADS, Template, Variables};

use self::known::{Role, default_among, may_scale_loss, parameter, plain};
use super::space::{in_words, written};
use super::{Proposal, grouped};
use crate::diagnostic::visible;
use crate::space::{Distribution, Parameter};
use crate::words::quoted;

pub use self::help::{Help as ScriptHelp, ScriptOption, read as read_help};

/// How far a trial is trained if the script does not say how far it usually trains.
const EPOCHS: u64 = 9;

/// Why there is no file for a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unproposed {
    /// It must be given more than the command has: these.
    Lacking(Vec<String>),
    /// No option is one that is known to be worth searching.
    NothingKnown,
}

/// How a script is started, beside its command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScriptStart {
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Where it is started, as the file names it, if that is not the file's directory.
    pub directory: Option<String>,
}

/// An option and what the study passes as its value.
struct Passed<'o> {
    option: &'o ScriptOption,
    role: Role,
    placeholder: String,
}

/// The options of a script, by what becomes of them.
struct Sorted<'o> {
    passed: Vec<Passed<'o>>,
    others: Vec<&'o ScriptOption>,
    /// The option by which the command itself says how many epochs are trained, and how many.
    epochs: Option<(&'o str, u64)>,
}

/// The file for a command that starts a script, which says this of itself.
///
/// # Errors
/// If it could not be searched.
pub fn propose_script(command: &[String], start: &ScriptStart, help: &ScriptHelp) -> Result<Proposal, Unproposed> {
    let sorted = Sorted::of(help, command);
    let lacking = sorted.lacking(help, command);
    if !lacking.is_empty() {
        return Err(Unproposed::Lacking(lacking));
    }
    if !sorted.passed.iter().any(|one| matches!(one.role, Role::Parameter(_))) {
        return Err(Unproposed::NothingKnown);
    }
    let mut assumed = Vec::new();
    let mut text = format!(
        "# Searches the options of {}.\n\
         # Check: hpo space check FILE    Search: hpo search FILE    All keys: docs/scripts.md, docs/study-file.md, hpo schema\n\n\
         [study]\ntrials = 27             # configurations in all; may be raised later\n\
         # objective = \"accuracy\"  # what decides, if not the loss: a name under `metrics` below\n\
         # direction = \"maximize\"\n\
         # time_limit = \"2h\"       # then the best so far is exported, and the same command with a higher limit continues\n\n",
        visible(&command.join(" "))
    );
    text += &sorted.policy(&mut assumed);
    text += &sorted.trial(command, start, &mut assumed);
    text += &sorted.space(&mut assumed);
    text += &sorted.defaults(&mut assumed);
    Ok(Proposal { text, assumed })
}

impl<'o> Sorted<'o> {
    fn of(help: &'o ScriptHelp, command: &[String]) -> Self {
        let (mut passed, mut others) = (Vec::<Passed>::new(), Vec::new());
        let mut variables = Variables::default();
        let (given, open): (Vec<_>, Vec<_>) = help.options.iter().partition(|option| is_given(option, command));
        // Of options that are the same parameter, one would overrule the others.
        let mut parameters: Vec<usize> = given.iter().filter_map(|option| parameter(option)).collect();
        let is_resource = |role: &Role| matches!(role, Role::Epochs | Role::Steps);
        let is_told = given
            .iter()
            .filter_map(|option| Role::of(option))
            .any(|role| is_resource(&role));
        for option in open {
            let role = Role::of(option).filter(|role| match role {
                // Each is passed once; of epochs and steps what comes first.
                Role::Epochs | Role::Steps => {
                    let is_known = is_told || passed.iter().any(|one| is_resource(&one.role));
                    !is_known && (*role == Role::Epochs || whole(option).is_some())
                }
                Role::Directory | Role::Seed | Role::Threads => !passed.iter().any(|one| one.role == *role),
                Role::Parameter(_) => {
                    let is_new = parameter(option).is_some_and(|place| !parameters.contains(&place));
                    is_new && variables.add(&plain(option.name())).is_ok()
                }
            });
            if let Some(Role::Parameter(_)) = role {
                parameters.extend(parameter(option));
            }
            match role {
                Some(role) => passed.push(Passed {
                    option,
                    placeholder: match role {
                        Role::Epochs | Role::Steps => RESOURCE.to_owned(),
                        Role::Directory => CHECKPOINT_DIR.to_owned(),
                        Role::Seed => SEED.to_owned(),
                        Role::Threads => THREADS.to_owned(),
                        Role::Parameter(_) => plain(option.name()),
                    },
                    role,
                }),
                None => others.push(option),
            }
        }
        let epochs = given.into_iter().find_map(|option| {
            let told = Role::of(option)
                .filter(|role| *role == Role::Epochs)
                .and(value_in(option, command));
            Some((option.name(), told?.parse().ok().filter(|epochs| *epochs > 0)?))
        });
        Self { passed, others, epochs }
    }

    /// What the script must be given, and is not.
    fn lacking(&self, help: &ScriptHelp, command: &[String]) -> Vec<String> {
        let mut lacking: Vec<String> = (self.others.iter())
            .filter(|option| option.is_required)
            .map(|option| option.name().to_owned())
            .collect();
        // It can't be told which words of another command are those of an interpreter.
        let own = |word: &String| {
            let name = Path::new(word).file_name().unwrap_or_default().to_string_lossy();
            help.program.iter().any(|own| *own == name)
        };
        let Some(script) = command.iter().rposition(own) else {
            return lacking;
        };
        let (mut free, mut is_value) = (0, false);
        for word in &command[script + 1..] {
            let option = help.options.iter().find(|option| option.names.contains(word));
            free += usize::from(option.is_none() && !is_value && !word.starts_with('-'));
            is_value = option.is_some_and(|option| option.value.is_some());
        }
        lacking.extend(help.positional.iter().skip(free).cloned());
        lacking
    }

    /// The option that is told how far to train.
    fn resource(&self) -> Option<&Passed<'o>> {
        self.passed
            .iter()
            .find(|one| matches!(one.role, Role::Epochs | Role::Steps))
    }

    fn policy(&self, assumed: &mut Vec<String>) -> String {
        let Some(Passed { option, role, .. }) = self.resource() else {
            return self.without_resource(assumed);
        };
        let name = option.name();
        let said = if whole(option).is_some() { ", its default" } else { "" };
        let keys = match whole(option).filter(|_| *role == Role::Steps) {
            Some(max) => {
                let min = (max / 9).max(1);
                assumed.push(format!(
                    "{name} is how many steps a trial is trained: {}{said}",
                    grouped(max, ",")
                ));
                format!(
                    "resource = \"steps\"\nmin_resource = {}\nmax_resource = {}",
                    grouped(min, "_"),
                    grouped(max, "_")
                )
            }
            None => {
                let max = whole(option).unwrap_or(EPOCHS);
                assumed.push(format!(
                    "{name} is how many epochs a trial is trained: {max} at most{said}"
                ));
                format!("max_resource = {max}")
            }
        };
        format!("[policy]                # weak trials end at rungs: one in three goes on to the next\n{keys}\n\n")
    }

    /// The policy for a script that is not told how far to train.
    fn without_resource(&self, assumed: &mut Vec<String>) -> String {
        let (why, reports) = match self.epochs {
            Some((name, epochs)) => {
                assumed.push(format!(
                    "{name} stays as the command has it, so that each trial is trained to its end: leave it out of the command, and weak \
                     ones are stopped early"
                ));
                (format!("the command itself says {name}"), epochs)
            }
            None => {
                assumed.push(
                    "no option says how long to train: each trial is trained to its end, and no weak one is stopped early"
                        .to_owned(),
                );
                ("the script can't be told how far to train".to_owned(), 1)
            }
        };
        format!(
            "[policy]\ntype = \"none\"           # {why}, so that each trial is trained to its end\n\
             max_resource = {reports}        # how many times it prints its metrics\n\n"
        )
    }

    fn trial(&self, command: &[String], start: &ScriptStart, assumed: &mut Vec<String>) -> String {
        let words: Vec<String> = command.iter().map(|word| quoted(&Template::literal(word))).collect();
        let mut text = format!("[trial]\ncommand = [\n    {},\n", words.join(", "));
        for Passed {
            option,
            role,
            placeholder,
        } in &self.passed
        {
            let value = quoted(&format!("{{{placeholder}}}"));
            let about = match role {
                Role::Epochs | Role::Steps => "    # how far to train in all, counted from the beginning",
                Role::Directory => {
                    "    # kept from one stretch of training to the next, and the best trial's is the model"
                }
                Role::Seed | Role::Threads | Role::Parameter(_) => "",
            };
            let _ = match option.value {
                Some(_) => writeln!(text, "    {}, {value},{about}", quoted(option.name())),
                None => writeln!(text, "    {value},"),
            };
        }
        text += "]\n";
        if let Some(directory) = &start.directory {
            let _ = writeln!(text, "directory = {}    # where it is started", quoted(directory));
        }
        if !start.environment.is_empty() {
            let each = start.environment.iter();
            let each = each.map(|(name, value)| format!("{} = {}", quoted(name), quoted(&Template::literal(value))));
            let _ = writeln!(text, "environment = {{ {} }}", each.collect::<Vec<_>>().join(", "));
        }
        let each = if self.resource().is_some() {
            "after each epoch, or once at its end"
        } else {
            "at its end"
        };
        let _ = write!(
            text,
            "# What the script prints {each}. Say how the line looks, and remove the `#`: for each metric a regular expression\n\
             # whose only group is the number. This is for a line such as `val_loss=0.41 acc=0.87`; `loss` must be among them, or the objective:\n\
             # metrics = {{ loss = 'val_loss[=:]\\s*([-+0-9.eE]+)', accuracy = 'acc[=:]\\s*([0-9.]+)' }}\n\
             # Without `metrics` the script must print {{\"type\": \"report\", \"loss\": 0.41}}. What it writes to a file is read with `metrics_file`.\n"
        );
        if let Some(directory) = self.passed.iter().find(|one| one.role == Role::Directory) {
            assumed.push(format!(
                "{} is where the script writes, and what it has left there it finds again when the trial goes on: if it ignores that, it is \
                 trained anew up to the next rung",
                directory.option.name()
            ));
        }
        text += &self.unused();
        text + "\n"
    }

    /// The options that the study does not pass.
    fn unused(&self) -> String {
        if self.others.is_empty() {
            return String::new();
        }
        let mut text = "# Not passed. To pass one, write it into `command`, with a value or with the {name} of a parameter under [space]:\n".to_owned();
        for option in &self.others {
            let value = option
                .value
                .as_ref()
                .map_or(String::new(), |value| format!(" {}", visible(value)));
            let default = option.default.as_ref();
            let default = default.map_or(String::new(), |default| format!(" (default {})", visible(default)));
            let _ = writeln!(text, "#   {}{value}{default}", option.name());
        }
        if let Some(flag) = self.others.iter().find(|option| option.value.is_none()) {
            let (name, parameter) = (flag.name(), plain(flag.name()));
            let _ = writeln!(
                text,
                "# One without a value is searched by \"{{{parameter}}}\" in `command`, and {parameter} = {{ type = \"choice\", values = [{}, \"\"] }} under [space]",
                quoted(name)
            );
        }
        text
    }

    /// The options that are searched, with the values and the placeholder of each.
    fn parameters(&self) -> impl Iterator<Item = (&ScriptOption, &Distribution, &str)> {
        self.passed.iter().filter_map(|one| match &one.role {
            Role::Parameter(distribution) => Some((one.option, distribution, one.placeholder.as_str())),
            Role::Epochs | Role::Steps | Role::Directory | Role::Seed | Role::Threads => None,
        })
    }

    fn space(&self, assumed: &mut Vec<String>) -> String {
        let mut text = "[space]\n".to_owned();
        for (option, distribution, placeholder) in self.parameters() {
            let parameter = Parameter {
                name: placeholder.to_owned(),
                distribution: distribution.clone(),
                when: Vec::new(),
                prior: None,
            };
            let default = option.default.as_ref();
            let default = default.map(|default| format!("default {}", visible(default)));
            let scales = may_scale_loss(option)
                .then(|| "if the loss that is measured depends on it, decide by another metric".to_owned());
            let about: Vec<String> = default.into_iter().chain(scales).collect();
            let mark = if about.is_empty() { "" } else { "    # " };
            let _ = writeln!(
                text,
                "{placeholder} = {}{mark}{}",
                written(&parameter),
                about.join("; ")
            );
            assumed.push(format!(
                "{} is worth searching among {}",
                option.name(),
                in_words(distribution)
            ));
        }
        text
    }

    /// The configuration that the script has by itself, to be tried first.
    fn defaults(&self, assumed: &mut Vec<String>) -> String {
        let mut text = String::new();
        for (option, distribution, placeholder) in self.parameters() {
            if let Some(value) = default_among(distribution, option) {
                let value = value.as_str().map_or_else(|| value.to_string(), quoted);
                let _ = writeln!(text, "{placeholder} = {value}");
            }
        }
        if !self.parameters().any(|(option, ..)| option.default.is_some()) {
            assumed.push(
                "no option names its default, so the ranges are usual ones: argparse names them with \
                 formatter_class=argparse.ArgumentDefaultsHelpFormatter"
                    .to_owned(),
            );
            return String::new();
        }
        if text.is_empty() {
            return text;
        }
        assumed.push("its defaults, as far as they are in these ranges, are tried first".to_owned());
        format!("\n[[try_first]]           # the script's defaults, as far as they are in the ranges\n{text}")
    }
}

/// What the command has as the value of an option.
fn value_in<'c>(option: &ScriptOption, command: &'c [String]) -> Option<&'c str> {
    let place = command
        .iter()
        .position(|word| is_given(option, std::slice::from_ref(word)))?;
    match command[place].split_once('=') {
        Some((_, value)) => Some(value),
        None => command.get(place + 1).map(String::as_str),
    }
}

/// Whether the command has an option already.
fn is_given(option: &ScriptOption, command: &[String]) -> bool {
    let is_it = |word: &String, name: &String| {
        let rest = word.strip_prefix(name.as_str());
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
    };
    command
        .iter()
        .any(|word| option.names.iter().any(|name| is_it(word, name)))
}

/// The default of an option, if it can be a number of epochs or steps.
fn whole(option: &ScriptOption) -> Option<u64> {
    let number: f64 = option.default.as_ref()?.parse().ok()?;
    ((1.0..1e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}
