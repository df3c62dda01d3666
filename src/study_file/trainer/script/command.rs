//! The placeholders of a script.

use hpo_script::{RESUME_FROM, Template, TemplateError, carries_value, placeholders};
use toml::de::DeValue;

use super::super::super::conditions;
use super::super::super::reader::{Item, Problem, Table, shown, similar};
use super::super::keys::COMMAND;
use super::keys::{ENVIRONMENT, METRICS, METRICS_FILE, SCRIPT};
use crate::words::listed;

/// What placeholders can stand for.
pub(super) struct Placeholders<'a> {
    names: Vec<&'a str>,
    /// Those that have no value in some segments.
    absent: Vec<&'a str>,
}

impl<'a> Placeholders<'a> {
    /// Those of trials that have these parameters.
    pub fn of(parameters: &[Item<'a>]) -> Self {
        let conditional = |item: &&Item| {
            matches!(item.value, DeValue::Table(_))
                && item
                    .table()
                    .is_ok_and(|table| table.get(conditions::KEY.name).is_some())
        };
        let mut names: Vec<&'a str> = parameters.iter().map(|item| item.key).collect();
        names.extend(placeholders().map(|name| -> &'a str { name }));
        let mut absent: Vec<&'a str> = parameters.iter().filter(conditional).map(|item| item.key).collect();
        absent.push(RESUME_FROM);
        Self { names, absent }
    }

    /// Whether a name is that of a placeholder, or nearly.
    fn means(&self, name: &str) -> bool {
        self.names.contains(&name) || similar(name, &self.names).is_some()
    }
}

/// What a table itself says of whether its command is a script. Anything but true and false is a setting of another trainer.
pub(in super::super) fn said_to_be_script(item: &Item) -> Option<bool> {
    match item.value {
        DeValue::Boolean(said) if item.key == SCRIPT.name => Some(*said),
        DeValue::Boolean(_)
        | DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    }
}

/// Whether the command of a table is a script: the table says so or has keys that other trainers can't have, or there is a placeholder.
pub(in super::super) fn is_script(table: &Table, parameters: &[Item]) -> bool {
    if let Some(said) = table.get(SCRIPT.name).and_then(|item| said_to_be_script(&item)) {
        return said;
    }
    let has_metrics = [METRICS, METRICS_FILE].iter().any(|key| table.get(key.name).is_some());
    let environment = table.get(ENVIRONMENT.name);
    if has_metrics || environment.is_some_and(|item| matches!(item.value, DeValue::Table(_))) {
        return true;
    }
    let placeholders = Placeholders::of(parameters);
    let arguments = table.get(COMMAND.name).and_then(|item| item.array("").ok());
    let templates = arguments
        .iter()
        .flatten()
        .filter_map(|argument| Template::parse(argument.string().ok()?).ok());
    let templates: Vec<Template> = templates.collect();
    let mut names = templates.iter().flat_map(Template::names);
    names.any(|name| placeholders.means(name))
}

/// What is wrong with an argument of the command.
pub(super) fn check_argument(argument: &Item, place: usize, placeholders: &Placeholders) -> Vec<Problem> {
    // What is no text was reported already.
    let Ok(text) = argument.string() else { return Vec::new() };
    let template = match Template::parse(text) {
        Ok(template) => template,
        Err(error) => return vec![lone_brace(argument, &error)],
    };
    if place == 0 && template.names().next().is_some() {
        let help = "write the program's name; placeholders stand in its arguments";
        return vec![argument.problem("is the program, and has a placeholder", "not one program", help)];
    }
    let mut problems: Vec<Problem> = unknown(argument, &template, placeholders).collect();
    let mut absent = template.names().filter(|name| placeholders.absent.contains(name));
    if let Some(name) = absent.next().filter(|_| !carries_value(&template)) {
        let variable = hpo_script::variable(name);
        let help = format!(
            "let `{{{name}}}` be an argument of its own, or write `--option={{{name}}}`: these are left out where there is no value. Or have \
             the script read {variable}"
        );
        let message = format!("has `{{{name}}}`, which not every start of the script has a value for");
        problems.push(argument.problem(message, "sometimes without a value", help));
    }
    problems
}

/// That an option stands before a parameter that may be empty, and so left out, while what else it may be is no option itself.
pub(super) fn loses_value(arguments: &[Item], place: usize, parameters: &[Item]) -> Option<Problem> {
    let [option, argument] = arguments.get(place.checked_sub(1)?..=place)? else {
        return None;
    };
    let name = argument.string().ok()?.strip_prefix('{')?.strip_suffix('}')?;
    let option = option.string().ok()?;
    let parameter = parameters.iter().find(|item| item.key == name)?;
    if !option.starts_with('-') || option.contains(['=', '{']) || !matches!(parameter.value, DeValue::Table(_)) {
        return None;
    }
    let values = parameter.table().ok()?.get("values")?.array("").ok()?;
    let text = |item: &Item| match item.value {
        DeValue::String(text) => Some(text.to_string()),
        DeValue::Boolean(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Datetime(_)
        | DeValue::Array(_)
        | DeValue::Table(_) => None,
    };
    let texts: Vec<Option<String>> = values.iter().map(text).collect();
    let is_empty = |text: &Option<String>| text.as_deref() == Some("");
    let is_flag = |text: &Option<String>| {
        text.as_ref()
            .is_some_and(|text| text.is_empty() || text.starts_with('-'))
    };
    if !texts.iter().any(is_empty) || texts.iter().all(is_flag) {
        return None;
    }
    let help = format!("write `{}={{{name}}}`, which passes the empty text", shown(option));
    let message = format!(
        "is left out where `{name}` is empty, and `{}` would be without its value",
        shown(option)
    );
    Some(argument.problem(message, "sometimes left out", help))
}

/// What is wrong with another text that has placeholders.
pub(super) fn check_text(item: &Item, text: &str, placeholders: &Placeholders) -> Option<Problem> {
    match Template::parse(text) {
        Ok(template) => unknown(item, &template, placeholders).next(),
        Err(error) => Some(lone_brace(item, &error)),
    }
}

fn lone_brace(item: &Item, error: &TemplateError) -> Problem {
    let brace = error.brace;
    let help = format!("write `{brace}{brace}` for a brace, or `{{name}}` for a value; `${{…}}` is left to a shell");
    item.problem(error, "not a placeholder", help)
}

fn unknown<'p>(
    item: &'p Item,
    template: &'p Template,
    placeholders: &'p Placeholders,
) -> impl Iterator<Item = Problem> + use<'p> {
    let names = template.names().filter(|name| !placeholders.names.contains(name));
    names.map(move |name| {
        let help = match similar(name, &placeholders.names) {
            Some(other) => format!("did you mean `{{{other}}}`?"),
            None => {
                let own = self::placeholders().map(|name| format!("`{{{name}}}`"));
                format!(
                    "add a parameter of this name under `[space]`, or use {}; `{{{{{name}}}}}` is the text in its braces",
                    listed(own, ", ")
                )
            }
        };
        item.problem(
            format_args!("has `{{{}}}`, which is not a placeholder", shown(name)),
            "unknown placeholder",
            help,
        )
    })
}
