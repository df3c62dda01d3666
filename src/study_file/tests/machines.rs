//! Tables of machines.

use super::*;
use crate::devices::LaunchSettings;

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
    assert_eq!(one.machines[0].launch, Some(ssh.clone()));
    let several = slots_of(
        "[[slots]]\n[[slots]]\nlaunch = [\"ssh\", \"gpu-box\"]\nhpo = \"/opt/hpo-1.0/bin/hpo\"\ndevices = [1]\n\
         threads_per_trial = 2\n[[slots]]\nlaunch = [\"x\"]\nthreads_per_trial = 2\n",
    );
    let several = several.unwrap();
    let after = GOOD.lines().count();
    let place = |line: usize| Some(format!("/here/sub/space.toml:{}", after + line));
    let expected = MachineSettings {
        place: place(2),
        launch: Some(LaunchSettings {
            hpo: "/opt/hpo-1.0/bin/hpo".to_owned(),
            ..ssh
        }),
        devices: Devices::Gpus(vec![1]),
        ..MachineSettings::default()
    };
    assert_eq!((several.threads_per_trial, several.machines.len()), (Some(2), 3));
    assert_eq!(several.machines[0].launch, None);
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
