//! What can be passed to a script: by which placeholder, and by which variable of its environment.

// The values that `hpo` itself passes, beside the parameters.
pub(crate) const RESOURCE: &str = "resource";
pub(crate) const FROM: &str = "from";
pub(crate) const MAX: &str = "max";
pub(crate) const UNIT: &str = "unit";
pub(crate) const TRIAL: &str = "trial";
pub(crate) const ATTEMPT: &str = "attempt";
/// A seed of the trial's own.
pub const SEED: &str = "seed";
/// CPU threads that the script may use.
pub const THREADS: &str = "threads";
pub(crate) const STUDY: &str = "study";
/// The script's own directory.
pub const CHECKPOINT_DIR: &str = "checkpoint_dir";
/// The checkpoint that it goes on from.
pub const RESUME_FROM: &str = "resume_from";
/// A JSON file of everything.
pub const CONFIG: &str = "config";

const OWN: [&str; 12] = [
    RESOURCE,
    FROM,
    MAX,
    UNIT,
    TRIAL,
    ATTEMPT,
    SEED,
    THREADS,
    STUDY,
    CHECKPOINT_DIR,
    RESUME_FROM,
    CONFIG,
];

/// Variables that `hpo` reads or sets for purposes of its own.
const RESERVED: [&str; 3] = ["HPO_STUDIES", "HPO_WORKER", "HPO_KILL_AT"];

/// What all variables begin with.
const PREFIX: &str = "HPO_";

/// The placeholders that stand for something else than a parameter.
pub fn placeholders() -> impl ExactSizeIterator<Item = &'static str> {
    OWN.into_iter()
}

/// The variable by which a script reads a parameter, or another value, of this name.
pub fn variable(name: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() {
        true => c.to_ascii_uppercase(),
        false => '_',
    };
    format!("{PREFIX}{}", name.chars().map(plain).collect::<String>())
}

/// Whether a variable in the environment of `hpo` must not reach a script, where it would be taken for a value of the trial.
pub(crate) fn is_of_trials(variable: &str) -> bool {
    variable.starts_with(PREFIX) && !RESERVED.contains(&variable)
}

/// The variables of the parameters, each of which must be another one.
#[derive(Debug, Default)]
pub struct Variables(Vec<(String, String)>);

/// Why a parameter can't be passed to a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Taken {
    /// Its name is that of a value which `hpo` itself passes.
    #[error("is what hpo itself passes to scripts, as `{{{name}}}` and {variable}")]
    Own {
        /// The value's name.
        name: &'static str,
        /// Its variable.
        variable: String,
    },
    /// Its variable is one that `hpo` uses otherwise.
    #[error("would be passed as {0}, which hpo itself uses")]
    Reserved(String),
    /// Another parameter has the same variable.
    #[error("would be passed as {variable}, as `{other}` is")]
    Parameter {
        /// The other parameter.
        other: String,
        /// The variable.
        variable: String,
    },
}

impl Variables {
    /// Adds a parameter.
    ///
    /// # Errors
    /// If its variable is taken.
    pub fn add(&mut self, parameter: &str) -> Result<(), Taken> {
        let own = variable(parameter);
        if let Some(name) = OWN.into_iter().find(|name| variable(name) == own) {
            return Err(Taken::Own { name, variable: own });
        }
        if RESERVED.contains(&own.as_str()) {
            return Err(Taken::Reserved(own));
        }
        if let Some((other, variable)) = self.0.iter().find(|(_, variable)| *variable == own) {
            return Err(Taken::Parameter {
                other: other.clone(),
                variable: variable.clone(),
            });
        }
        self.0.push((parameter.to_owned(), own));
        Ok(())
    }

    /// Whether the environment of scripts has a variable of this name that is not to be set by anybody else.
    pub fn owns(variable: &str) -> bool {
        variable.starts_with(PREFIX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_have_variables_of_their_own() {
        let mut all = Variables::default();
        assert_eq!(variable("learning-rate"), "HPO_LEARNING_RATE");
        assert_eq!(all.add("learning_rate"), Ok(()));
        let refused = |all: &mut Variables, name: &str| all.add(name).unwrap_err().to_string();
        assert!(refused(&mut all, "Learning.Rate").contains("as HPO_LEARNING_RATE, as `learning_rate` is"));
        assert!(refused(&mut all, "seed").contains("`{seed}` and HPO_SEED"));
        assert!(refused(&mut all, "studies").contains("HPO_STUDIES"));
        assert!(is_of_trials("HPO_SEED") && !is_of_trials("HPO_WORKER") && !is_of_trials("PATH"));
    }
}
