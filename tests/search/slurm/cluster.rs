//! A real Slurm on this machine: a controller and four nodes, which are processes.

use std::fs::File;
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use hpo_test_support::{Place, is_gone, of_workers};
use rustix::process::{Pid, Signal, kill_process};

const MUNGED: &str = "/usr/sbin/munged";
const PROGRAMS: [&str; 3] = [MUNGED, "/usr/sbin/slurmctld", "/usr/sbin/slurmd"];
const NODES: usize = 4;

/// How long anything may take that Slurm does by itself. It looks at some of it twice a minute.
const LONGEST: Duration = Duration::from_secs(120);

/// A Slurm for the user who runs the tests. It is ended, with its jobs, when this is dropped.
pub struct Slurm {
    directory: PathBuf,
}

impl Slurm {
    /// None, with the reason printed, if there is no Slurm on this machine.
    pub fn start(place: &Place) -> Option<Self> {
        if let Some(missing) = PROGRAMS.into_iter().find(|program| !Path::new(program).exists()) {
            eprintln!("skipped: {missing} is needed for this (slurmctld, slurmd, slurm-client and munge)");
            return None;
        }
        let slurm = Self {
            directory: place.path("slurm"),
        };
        for part in ["state", "log", "nodes"] {
            std::fs::create_dir_all(slurm.directory.join(part)).unwrap();
        }
        // Clusters that had the same key would listen to each other.
        let mut random = [0; 128];
        File::open("/dev/urandom").unwrap().read_exact(&mut random).unwrap();
        std::fs::write(slurm.path("munge.key"), random).unwrap();
        slurm.private("munge.key");
        slurm.private("");
        let own = |name: &str, file: &str| format!("--{name}={}", slurm.path(file).display());
        slurm.run(&[
            MUNGED,
            "--force",
            &own("key-file", "munge.key"),
            &own("socket", "munge.socket"),
            &own("pid-file", "munged.pid"),
            &own("log-file", "log/munged.log"),
            &own("seed-file", "munge.seed"),
        ]);
        std::fs::write(slurm.path("slurm.conf"), slurm.settings()).unwrap();
        // Any devices will do.
        let gpus = ["null", "zero"].map(|device| format!("NodeName=n[0-3] Name=gpu File=/dev/{device}\n"));
        std::fs::write(slurm.path("gres.conf"), gpus.concat()).unwrap();
        slurm.start_controller();
        (0..NODES).for_each(|node| slurm.start_node(node));
        slurm.wait_until("all nodes are there", || {
            slurm
                .run(&["sinfo", "-h", "-o", "%T %D"])
                .contains(&format!("idle {NODES}"))
        });
        Some(slurm)
    }

    fn settings(&self) -> String {
        let ports = free_ports();
        let user = self.run(&["id", "-un"]);
        let (own, user) = (self.directory.display(), user.trim());
        let nodes: String = (0..NODES)
            .map(|node| {
                let port = ports[node];
                format!("NodeName=n{node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN\n")
            })
            .collect();
        format!(
            "ClusterName=test\nSlurmctldHost=localhost\nSlurmctldPort={}\nSlurmUser={user}\nSlurmdUser={user}\n\
             AuthType=auth/munge\nAuthInfo=socket={own}/munge.socket,cred_expire=5\nCredType=cred/munge\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSelectType=select/cons_tres\n\
             SelectTypeParameters=CR_CPU\nSchedulerType=sched/backfill\n\
             SchedulerParameters=sched_min_interval=0,batch_sched_delay=0,bf_interval=1\nReturnToService=2\n\
             SlurmdParameters=config_overrides\nGresTypes=gpu\nMpiDefault=none\nSwitchType=switch/none\nMailProg=/bin/true\n\
             StateSaveLocation={own}/state\nSlurmdSpoolDir={own}/nodes/%n\nSlurmctldPidFile={own}/slurmctld.pid\n\
             SlurmdPidFile={own}/%n.pid\nSlurmctldLogFile={own}/log/slurmctld.log\nSlurmdLogFile={own}/log/%n.log\n\
             SlurmdTimeout=10\nSlurmctldTimeout=10\nInactiveLimit=0\nKillWait=5\nMinJobAge=300\n\
             AccountingStorageType=accounting_storage/none\nJobAcctGatherType=jobacct_gather/none\n\
             PreemptType=preempt/partition_prio\nPreemptMode=CANCEL\n{nodes}\
             PartitionName=main Nodes=n[0-3] Default=YES MaxTime=1:00:00 State=UP PriorityTier=1\n\
             PartitionName=urgent Nodes=n[0-3] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF\n",
            ports[NODES]
        )
    }

    pub fn start_controller(&self) {
        self.run(&[PROGRAMS[1], "-f", self.path("slurm.conf").to_str().unwrap()]);
    }

    pub fn start_node(&self, node: usize) {
        let name = format!("n{node}");
        std::fs::create_dir_all(self.path("nodes").join(&name)).unwrap();
        self.run(&[
            PROGRAMS[2],
            "-f",
            self.path("slurm.conf").to_str().unwrap(),
            "-N",
            &name,
        ]);
    }

    /// Stops the controller, which keeps what it knows.
    pub fn stop_controller(&self) {
        self.stop("slurmctld.pid", Signal::TERM);
    }

    /// Kills a node and all that runs on it, as a power cut does.
    pub fn kill_node(&self, node: usize) {
        let name = format!("n{node}");
        // There may be nodes of other clusters.
        let own = pids_with(&format!("SLURM_CONF={}", self.path("slurm.conf").display()));
        let mut tasks = pids_with(&format!("SLURMD_NODENAME={name}"));
        tasks.retain(|pid| own.contains(pid));
        // A step is not marked, but for what it has started.
        let steps = tasks
            .iter()
            .filter_map(|pid| parent_of(*pid))
            .filter(|pid| is_step(*pid));
        let steps: Vec<Pid> = steps.collect();
        self.stop(&format!("{name}.pid"), Signal::KILL);
        for pid in steps.into_iter().chain(tasks) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Kills what stands between Slurm and a step's processes, and leaves these.
    pub fn kill_steps_of(&self, processes: &[String]) {
        let all = processes.iter().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap());
        let mut above: Vec<Pid> = all.filter_map(parent_of).filter_map(parent_of).collect();
        above.retain(|pid| is_step(*pid));
        assert!(!above.is_empty());
        for pid in above {
            let _ = kill_process(pid, Signal::KILL);
        }
    }

    /// Kills an `srun` that has this among its words.
    pub fn kill_srun(&self, word: &str) {
        for pid in pids_with(&format!("SLURM_CONF={}", self.path("slurm.conf").display())) {
            let line = std::fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero())).unwrap_or_default();
            let mut words = line.split(|byte| *byte == 0);
            if words.next() == Some(b"srun") && words.any(|other| other == word.as_bytes()) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    fn stop(&self, file: &str, signal: Signal) {
        let pid = self.pid(file).unwrap();
        kill_process(pid, signal).unwrap();
        self.wait_until("it has ended", || is_gone(&pid.as_raw_nonzero().to_string()));
    }

    fn pid(&self, file: &str) -> Option<Pid> {
        Pid::from_raw(std::fs::read_to_string(self.path(file)).ok()?.trim().parse().ok()?)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn private(&self, name: &str) {
        use std::os::unix::fs::PermissionsExt;
        let mode = if name.is_empty() { 0o700 } else { 0o600 };
        std::fs::set_permissions(self.path(name), std::fs::Permissions::from_mode(mode)).unwrap();
    }

    /// What has to be in the environment of whoever asks this Slurm.
    pub fn environment(&self) -> (String, String) {
        ("SLURM_CONF".to_owned(), self.path("slurm.conf").display().to_string())
    }

    /// What a command prints, which must succeed.
    pub fn run(&self, words: &[&str]) -> String {
        let (name, value) = self.environment();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).env(name, value).stdin(Stdio::null());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The worker of a slot, and what it has started, once there is one.
    #[track_caller]
    pub fn workers_of(&self, place: &Place, study: &str, slot: u32) -> Vec<String> {
        let mut workers = Vec::new();
        self.wait_until("there is a worker", || {
            workers = of_workers(&place.study(study));
            workers.retain(|pid| variable(pid, "HPO_WORKER").ends_with(&format!("#{slot}")));
            !workers.is_empty()
        });
        workers
    }

    /// Has Slurm send a signal to a job or a step. On a step beyond the first node of its job, `scancel` does so and says that it does not.
    pub fn signal(&self, signal: &str, of: &str) {
        let (name, value) = self.environment();
        let mut command = Command::new("scancel");
        command.args([&format!("--signal={signal}"), of]).env(name, value);
        command.output().unwrap();
    }

    /// Waits for what Slurm does by itself.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + LONGEST;
        while !holds() {
            assert!(Instant::now() < deadline, "not within {LONGEST:?}: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for file in ["slurmctld.pid", "n0.pid", "n1.pid", "n2.pid", "n3.pid", "munged.pid"] {
            if let Some(pid) = self.pid(file) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        // Whatever its nodes run knows where its settings are.
        for pid in pids_with(&format!("SLURM_CONF={}", self.path("slurm.conf").display())) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Ports for the nodes and the controller, other ones for each cluster of these tests. They are none of those that the system gives to whoever
/// asks for any: until the cluster has them, another program could get them.
fn free_ports() -> Vec<u16> {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + (std::process::id() % 100) as u16 * 100;
    let mut ports = Vec::new();
    while ports.len() <= NODES {
        let port = first + TAKEN.fetch_add(1, Ordering::Relaxed);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            ports.push(port);
        }
    }
    ports
}

/// The processes that have this in their environment.
pub fn pids_with(variable: &str) -> Vec<Pid> {
    let has = |pid: &i32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment
            .split(|byte| *byte == 0)
            .any(|other| other == variable.as_bytes())
    };
    let all = std::fs::read_dir("/proc").unwrap();
    let all = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(has).filter_map(Pid::from_raw).collect()
}

/// The value of a variable in the environment of a process.
pub fn variable(pid: &str, name: &str) -> String {
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let begins = format!("{name}=");
    let mut values = environment
        .split(|byte| *byte == 0)
        .filter_map(|one| one.strip_prefix(begins.as_bytes()));
    String::from_utf8_lossy(values.next().unwrap_or_default()).into_owned()
}

fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).ok()?;
    let after = stat.rsplit(") ").next()?;
    Pid::from_raw(after.split(' ').nth(1)?.parse().ok()?)
}

fn is_step(pid: Pid) -> bool {
    let name = std::fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
    name.is_ok_and(|name| name.starts_with("slurmstepd"))
}
