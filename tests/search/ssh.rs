//! Slots behind a real `sshd` on this machine.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use hpo_test_support::{Place, WHOLE, of_workers, wait_until_gone};
use rustix::process::{Pid, Signal, getuid, kill_process, kill_process_group};

const SSHD: &str = "/usr/sbin/sshd";

/// An `sshd` for the user who runs the tests, with a key that is thrown away.
struct Sshd {
    process: Child,
    key: PathBuf,
    port: u16,
}

impl Sshd {
    /// None, with the reason printed, if there is no `sshd` on this machine.
    fn start(place: &Place) -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: {SSHD} is needed for this (openssh-server)");
            return None;
        }
        let [host_key, key] = ["host-key", "key"].map(|name| {
            let path = place.path(name);
            let mut made = Command::new("ssh-keygen");
            made.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&path);
            assert!(made.status().unwrap().success());
            path
        });
        std::fs::copy(key.with_extension("pub"), place.path("authorized")).unwrap();
        if getuid().is_root() {
            // Where it locks itself up; a system that starts it makes this.
            std::fs::create_dir_all("/run/sshd").unwrap();
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\nUsePAM no\n\
             PermitRootLogin yes\nMaxStartups 100\n",
            host_key.display(),
            place.path("authorized").display()
        );
        std::fs::write(place.path("sshd.conf"), config).unwrap();
        let mut command = Command::new(SSHD);
        command.args(["-D", "-e", "-f"]).arg(place.path("sshd.conf"));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = command.process_group(0).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap()).lines();
        assert!(log.by_ref().any(|line| line.unwrap().contains("Server listening")));
        // It must not be stopped by what it can't print.
        std::thread::spawn(move || log.for_each(drop));
        Some(Self { process, key, port })
    }

    /// The command that leads there.
    fn launch(&self) -> Vec<String> {
        let user = Command::new("id").arg("-un").output().unwrap();
        let user = String::from_utf8(user.stdout).unwrap();
        let fixed = [
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
        ];
        let own = [
            "-o",
            "LogLevel=ERROR",
            "-o",
            "IdentitiesOnly=yes",
            "-i",
            self.key.to_str().unwrap(),
        ];
        let there = ["-p", &self.port.to_string(), &format!("{}@127.0.0.1", user.trim())].map(str::to_owned);
        let words = ["ssh"].into_iter().chain(fixed).chain(own).map(str::to_owned);
        words.chain(there).collect()
    }

    fn machine(&self, place: &Place) -> String {
        let launch = self.launch();
        place.machine(&launch.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.process), Signal::KILL);
        let _ = self.process.wait();
    }
}

/// The processes whose command line has this in it.
fn running(part: &str) -> Vec<Pid> {
    let has = |pid: &i32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let words: Vec<_> = line.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
        words[0].ends_with("ssh") && words.iter().any(|word| word == part)
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(has).filter_map(Pid::from_raw).collect()
}

#[test]
fn two_slots_behind_ssh_find_what_two_here_find_whatever_is_killed() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    place.search(&place.space("plain", 6, 2, WHOLE, "")).ok();
    let epochs = format!(
        "{}\n",
        ["env", "HPO_TEST_EPOCH=0.6", "python3"]
            .map(|word| format!("{word:?}"))
            .join(", ")
    );
    let tables = [sshd.machine(&place), sshd.machine(&place)].concat();
    let file = place.space_on("far", 6, &tables, WHOLE, "");
    let text = std::fs::read_to_string(&file).unwrap();
    // What the tests' own environment says does not get there.
    std::fs::write(&file, text.replace("\"python3\"", epochs.trim())).unwrap();

    let mut search = place.start(&file);
    assert!(search.wait_for("epoch 1", 1));
    let connections = running(&sshd.port.to_string());
    assert_eq!(connections.len(), 2);
    kill_process(connections[0], Signal::KILL).unwrap();
    assert!(search.wait_for("is away until it can be reached again", 1));
    assert!(search.wait_for(" is back", 1));
    let workers = of_workers(&place.study("far"));
    for worker in workers {
        // The other one may have ended with its connection.
        let _ = kill_process(Pid::from_raw(worker.parse().unwrap()).unwrap(), Signal::KILL);
    }
    assert!(search.wait_for("SIGKILL", 1));
    let workers = of_workers(&place.study("far"));
    search.signal(Signal::KILL);
    search.wait();
    workers.iter().for_each(|pid| wait_until_gone(pid));

    let stderr = place.search(&file).ok().stderr();
    assert!(!stderr.contains(" is away "), "{stderr}");
    assert_eq!(place.answer("plain"), place.answer("far"));
    assert_eq!(running(&sshd.port.to_string()), []);
}

#[test]
fn an_ssh_that_would_ask_for_a_password_is_an_error_and_no_wait() {
    let place = Place::new();
    let Some(sshd) = Sshd::start(&place) else { return };
    std::fs::write(place.path("authorized"), "").unwrap();
    let file = place.space_on("s", 2, &sshd.machine(&place), WHOLE, "");
    place
        .search(&file)
        .fails(2, &["hpo does not answer there", "Permission denied", "password"]);
}
