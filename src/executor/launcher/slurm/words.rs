//! What Slurm says, in words, and what to do.

/// What the commands say while the controller is away.
const AWAY: [&str; 7] = [
    "Unable to contact slurm controller",
    "Socket timed out",
    "Zero Bytes were transmitted",
    "Connection refused",
    "Transport endpoint is not connected",
    "in standby mode",
    "temporarily",
];

/// Whether Slurm may do later what it does not do now.
pub(super) fn is_away(said: &str) -> bool {
    AWAY.iter().any(|words| said.contains(words))
}

/// What is to be done about a refusal, by what is in its text in small letters; the first that fits.
const REFUSALS: &[(&str, &str)] = &[
    ("partition", "name a partition that `sinfo` lists as `partition`"),
    (
        "account",
        "name one of your accounts as `account`: `sacctmgr show associations user=$USER` lists them",
    ),
    (
        "qos",
        "look at the limits of your account with `sacctmgr show associations user=$USER`, and lower what is asked for",
    ),
    (
        "policy",
        "look at the limits of your account with `sacctmgr show associations user=$USER`, and lower what is asked for",
    ),
    (
        "time limit",
        "set `time_limit` to less than the partition allows, which `sinfo -o '%P %l'` shows",
    ),
    (
        "time specification",
        "set `time_limit` to less than the partition allows, which `sinfo -o '%P %l'` shows",
    ),
    (
        "generic resource",
        "name resources as `gres` that `sinfo -o '%P %G'` shows",
    ),
    ("--mem", "write `memory` as Slurm takes it, such as `16G`"),
    (
        "node configuration",
        "no node has all of it: lower `cpus`, `memory` or `gres`; `sinfo -N -o '%N %c %m %G'` shows what nodes have",
    ),
    (
        "option",
        "look for the option in `arguments` under [slots], and in `man sbatch`",
    ),
];

pub(super) fn help(said: &str) -> &'static str {
    let said = said.to_lowercase();
    let known = REFUSALS.iter().find(|(words, _)| said.contains(words));
    known.map_or("`man sbatch` may say more", |(_, help)| *help)
}

/// Why a job waits, and whether it would for ever.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) words: String,
    pub(super) for_ever: bool,
}

/// Reasons by Slurm's words for them, and whether a job that has it never starts unless somebody changes something.
const REASONS: &[(&str, &str, bool)] = &[
    ("Priority", "other jobs are before it", false),
    ("Resources", "what it asks for is in use", false),
    (
        "PartitionTimeLimit",
        "its `time_limit` is longer than the partition allows, or it has none",
        true,
    ),
    (
        "PartitionNodeLimit",
        "the partition does not have what it asks for",
        true,
    ),
    ("PartitionDown", "the partition is down", false),
    ("PartitionInactive", "the partition starts no jobs at present", false),
    (
        "ReqNodeNotAvail",
        "the nodes that it may run on are down, reserved or drained",
        false,
    ),
    ("NodeDown", "a node that it may run on is down", false),
    ("BadConstraints", "no node is as its `arguments` ask for", true),
    ("InvalidAccount", "its `account` is not valid", true),
    (
        "AccountNotAllowed",
        "the partition does not take jobs of its `account`",
        true,
    ),
    ("InvalidQOS", "its quality of service is not valid", true),
    (
        "QOSNotAllowed",
        "the partition does not take jobs of its quality of service",
        true,
    ),
    ("JobHeldUser", "it is held: `scontrol release` lets it go", false),
    ("JobHeldAdmin", "an administrator holds it", false),
    ("Reservation", "its reservation has not begun", false),
    ("BeginTime", "its time to begin has not come", false),
    ("Licenses", "the licences that it asks for are in use", false),
];

pub(super) fn reason(said: &str) -> Reason {
    let code = said.split([',', ' ']).next().unwrap_or_default();
    let known = REASONS.iter().find(|(known, ..)| *known == code);
    let (words, for_ever) = match known {
        Some((_, words, for_ever)) => (*words, *for_ever),
        None if code.ends_with("PerJobLimit") => ("one job may not have as much as it asks for", true),
        None if code.starts_with("QOS") || code.starts_with("Assoc") => {
            ("you have as many jobs or as much as you may have at once", false)
        }
        None => ("Slurm does not let it start", false),
    };
    Reason {
        words: format!("{words} ({said})"),
        for_ever,
    }
}

/// How a job has ended, by Slurm's word, and whether that may be the fault of what runs in it.
pub(super) fn end(state: &str) -> (String, bool) {
    let (words, fault) = match state {
        "TIMEOUT" => ("its time limit was reached", false),
        "PREEMPTED" => ("another job took its place", false),
        "NODE_FAIL" => ("its node has failed", false),
        "CANCELLED" => ("it was cancelled", false),
        "COMPLETING" => ("it is ending", false),
        "OUT_OF_MEMORY" => ("it took more than its `memory`", true),
        "DEADLINE" => ("its deadline has passed", false),
        "BOOT_FAIL" => ("its node did not start", false),
        "" => ("Slurm does not know it any more", false),
        "FAILED" => ("it failed", true),
        _ => ("it ended", true),
    };
    match state.is_empty() {
        true => (words.to_owned(), fault),
        false => (format!("{words} ({state})"), fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_said_in_words_with_slurms_own() {
        let of = |said| {
            let Reason { words, for_ever } = reason(said);
            (words, for_ever)
        };
        assert_eq!(
            of("Priority"),
            ("other jobs are before it (Priority)".to_owned(), false)
        );
        assert!(of("PartitionTimeLimit").1 && of("QOSMaxCpuPerJobLimit").1);
        assert!(!of("QOSMaxJobsPerUserLimit").1 && !of("ReqNodeNotAvail, UnavailableNodes:n1").1);
        assert_eq!(of("Novel").0, "Slurm does not let it start (Novel)");
    }

    #[test]
    fn a_refusal_has_the_fix_for_it() {
        assert!(help("invalid partition specified: nope").contains("sinfo"));
        assert!(help("Invalid account or account/partition combination specified").contains("partition"));
        assert!(help("Requested node configuration is not available").contains("cpus"));
        assert_eq!(help("something new"), "`man sbatch` may say more");
    }
}
