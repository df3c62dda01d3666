//! Tables of machines.

use super::*;
use crate::devices::{LaunchSettings, Reach, SlurmSettings};

fn slots_of(tables: &str) -> Result<SlotSettings, Diagnostics> {
    parse_at(&format!("{GOOD}{tables}")).map(|file| file.slots)
}

#[test]
fn one_table_and_several_say_where_trials_run() {
    assert_eq!(slots_of("").unwrap(), SlotSettings::default());
    let one = slots_of("[slots]\nlaunch = [\"ssh\", \"gpu-box\"]\n").unwrap();
    assert_eq!(one.machines.len(), 1);
    let ssh = LaunchSettings {
        command: vec!["ssh".to_owned(), "gpu-box".to_owned()],
        hpo: "hpo".to_owned(),
    };
    assert_eq!(one.machines[0].reach, Reach::Launch(ssh.clone()));
    let several = slots_of(
        "[[slots]]\n[[slots]]\nlaunch = [\"ssh\", \"gpu-box\"]\nhpo = \"/opt/hpo-1.0/bin/hpo\"\ndevices = [1]\n\
         threads_per_trial = 2\n[[slots]]\nlaunch = [\"x\"]\nthreads_per_trial = 2\n",
    );
    let several = several.unwrap();
    let after = GOOD.lines().count();
    let place = |line: usize| Some(format!("/here/sub/space.toml:{}", after + line));
    let expected = MachineSettings {
        place: place(2),
        reach: Reach::Launch(LaunchSettings {
            hpo: "/opt/hpo-1.0/bin/hpo".to_owned(),
            ..ssh
        }),
        devices: Devices::Gpus(vec![1]),
        ..MachineSettings::default()
    };
    assert_eq!((several.threads_per_trial, several.machines.len()), (Some(2), 3));
    assert_eq!(several.machines[0].reach, Reach::Here);
    assert_eq!(several.machines[1], expected);
    assert_eq!(several.machines[2].place, place(7));
}

#[test]
fn each_table_is_checked_by_itself_and_with_the_others() {
    let errors = slots_of("[[slots]]\nlunch = 1\n[[slots]]\ndevices = \"gpu\"\n").unwrap_err();
    let messages: Vec<&str> = errors.0.iter().map(|error| error.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "unknown key `slots[0].lunch`",
            "`slots[1].devices` does not name devices"
        ]
    );
    assert_eq!(errors.0[0].help.as_deref(), Some("did you mean `launch`?"));
    let after = GOOD.lines().count();
    let errors = slots_of("[[slots]]\nthreads_per_trial = 2\n[[slots]]\nthreads_per_trial = 3\n").unwrap_err();
    let message = format!(
        "`slots[1].threads_per_trial` is 3, but `slots[0].threads_per_trial` in line {} is 2: all trials of a study have the same \
         number of threads",
        after + 2
    );
    assert_eq!(errors.0[0].message, message);
    assert_eq!(errors.0[0].line_column(), Some((after + 4, 21)));
}

#[test]
fn what_is_asked_of_slurm_is_read_and_checked() {
    let asked = "[slots]\ncluster = \"slurm\"\nmax_slots = 8\n";
    let all = slots_of(&format!(
        "{asked}min_slots = 2\nsubmit = true\npartition = \"gpu\"\naccount = \"lab\"\ngres = \"gpu:1\"\ncpus = 4\nmemory = \"16G\"\n\
         time_limit = \"1h 30s\"\narguments = [\"--qos=low\"]\nhpo = \"/opt/hpo\"\n"
    ));
    let word = |word: &str| Some(word.to_owned());
    let expected = SlurmSettings {
        hpo: "/opt/hpo".to_owned(),
        max_slots: 8,
        min_slots: 2,
        submit: Some(true),
        partition: word("gpu"),
        account: word("lab"),
        gres: word("gpu:1"),
        cpus: 4,
        memory: word("16G"),
        minutes: Some(61),
        arguments: vec!["--qos=low".to_owned()],
    };
    assert_eq!(all.unwrap().machines[0].reach, Reach::Slurm(expected));
    for (tables, message, help) in [
        (
            "[slots]\ncluster = \"pbs\"\n",
            "is not a cluster that is known",
            "slurm",
        ),
        (
            "[slots]\ncluster = \"slurm\"\n",
            "`slots.max_slots` is missing",
            "max_slots = 4",
        ),
        (
            "[slots]\nmax_slots = 2\n",
            "`slots.max_slots` has no effect without `cluster`",
            "cluster",
        ),
        (
            &format!("{asked}devices = \"0\"\n"),
            "`slots.devices` has no effect with `cluster`",
            "gpu:1",
        ),
        (
            &format!("{asked}launch = [\"ssh\", \"a\"]\n"),
            "has no effect with `cluster`",
            "one of the two",
        ),
        (
            &format!("{asked}min_slots = 9\n"),
            "is more than `max_slots`, which is 8",
            "max_slots",
        ),
        (
            &format!("{asked}time_limit = \"0\"\n"),
            "a job without a limit",
            "longest time",
        ),
        (
            &format!("{asked}time_limit = \"0m\"\n"),
            "a job without a limit",
            "longest time",
        ),
        (
            &format!("{asked}time_limit = \"long\"\n"),
            "is not a span of time",
            "90m",
        ),
        (&format!("{asked}memory = \"16 G\"\n"), "must be one word", "blanks"),
        (
            &format!("{asked}arguments = [\"--job-name=x\"]\n"),
            "is what hpo sets itself",
            "remove",
        ),
        (
            &format!("{asked}arguments = [\"-q\", \"low\"]\n"),
            "is not an option",
            "same text",
        ),
    ] {
        let errors = slots_of(tables).unwrap_err();
        let error = &errors.0[0];
        assert!(error.message.contains(message), "{tables}: {}", error.message);
        assert!(
            error.help.as_ref().unwrap().contains(help),
            "{tables}: {:?}",
            error.help
        );
    }
}
