//! What a person sees of a search: the real binary in a terminal, whose screen an emulator reads.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::Child;

use hpo_test_support::{Place, WHOLE};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The rows of every terminal here.
const ROWS: u16 = 20;
/// The end of a frame (a synchronized update).
const FRAME: &[u8] = b"\x1b[?2026l";

/// A terminal with `hpo` in it.
struct Terminal {
    master: File,
    hpo: Child,
    screen: vt100::Parser,
    /// What has come of a frame that is not whole yet.
    pending: Vec<u8>,
    /// How many whole frames have come.
    frames: usize,
    /// Whether there was anything but text.
    controlled: bool,
}

impl Terminal {
    fn start(place: &Place, columns: u16, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let master: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let other = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(name)
            .unwrap();
        tcsetwinsize(&master, size(columns)).unwrap();
        let mut command = place.hpo(arguments);
        for name in ["CI", "NO_COLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.env("TERM", "xterm-256color").envs(environment.iter().copied());
        command
            .stdin(other.try_clone().unwrap())
            .stdout(other.try_clone().unwrap())
            .stderr(other);
        let lead = || {
            // SAFETY: both are safe between fork and exec, and standard input is the terminal.
            match unsafe { libc::setsid() == -1 || libc::ioctl(0, libc::TIOCSCTTY, 0) == -1 } {
                true => Err(std::io::Error::last_os_error()),
                false => Ok(()),
            }
        };
        // SAFETY: it calls only functions that are safe between fork and exec.
        unsafe { command.pre_exec(lead) };
        let hpo = command.spawn().unwrap();
        Self {
            master: master.into(),
            hpo,
            screen: vt100::Parser::new(cells(ROWS), cells(columns), 10_000),
            pending: Vec::new(),
            frames: 0,
            controlled: false,
        }
    }

    /// Shows what has come, frame by frame, and checks each.
    fn take(&mut self, bytes: &[u8]) {
        self.controlled |= bytes.contains(&0x1b);
        self.pending.extend(bytes);
        while let Some(at) = self.pending.windows(FRAME.len()).position(|part| part == FRAME) {
            let frame: Vec<u8> = self.pending.drain(..at + FRAME.len()).collect();
            self.screen.process(&frame);
            self.frames += 1;
            self.check();
        }
    }

    /// Reads until the screen is as wanted; false if `hpo` ends before.
    fn until(&mut self, is_wanted: impl Fn(&Self) -> bool) -> bool {
        let mut bytes = [0; 4096];
        while !is_wanted(self) {
            match self.master.read(&mut bytes) {
                // Once nobody has the other side there is an error.
                Ok(0) | Err(_) => {
                    let rest = std::mem::take(&mut self.pending);
                    self.screen.process(&rest);
                    return false;
                }
                Ok(count) => self.take(&bytes[..count]),
            }
        }
        true
    }

    /// Resizes the terminal between two frames.
    fn resize(&mut self, columns: u16) {
        let pid = Pid::from_child(&self.hpo);
        loop {
            kill_process(pid, Signal::STOP).unwrap();
            let stopped = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT;
            waitid(WaitId::Pid(pid), stopped).unwrap();
            self.drain();
            let between = self.pending.is_empty();
            if between {
                tcsetwinsize(&self.master, size(columns)).unwrap();
                self.screen.screen_mut().set_size(cells(ROWS), cells(columns));
            }
            kill_process(pid, Signal::CONT).unwrap();
            if between {
                return;
            }
            let frames = self.frames;
            assert!(self.until(|terminal| terminal.frames > frames));
        }
    }

    /// Takes what has come by now.
    fn drain(&mut self) {
        let flags = fcntl_getfl(&self.master).unwrap();
        fcntl_setfl(&self.master, flags | OFlags::NONBLOCK).unwrap();
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = self.master.read(&mut bytes) {
            self.take(&bytes[..count]);
        }
        fcntl_setfl(&self.master, flags).unwrap();
    }

    fn columns(&self) -> u16 {
        self.screen.screen().size().1.get()
    }

    fn rows(&self) -> Vec<String> {
        let rows = self.screen.screen().rows(0, self.columns());
        rows.map(|row| row.trim_end().to_owned()).collect()
    }

    /// The lines that are redrawn.
    fn live(&self) -> Vec<String> {
        let (first, _) = self.screen.screen().cursor_position();
        let rows = self.rows().into_iter().skip(usize::from(first));
        rows.take_while(|row| !row.is_empty()).collect()
    }

    /// Checks that all live lines are below the cursor, each in a row of its own, and none that was there before is left.
    #[track_caller]
    fn check(&self) {
        let (screen, rows) = (self.screen.screen(), self.rows());
        let (first, column) = screen.cursor_position();
        assert_eq!(column, 0, "{rows:?}");
        let (above, live) = rows.split_at(usize::from(first));
        assert!(!above.iter().any(|row| is_live(row)), "left behind: {rows:#?}");
        for (row, text) in (first..).zip(live) {
            assert!(!screen.row_wrapped(row), "too long: {text}");
        }
        let labels = live.iter().filter(|row| is_live(row));
        let mut seen: Vec<&str> = labels.filter_map(|row| row.split("  ").nth(1)).collect();
        let count = seen.len();
        seen.dedup();
        assert_eq!(count, seen.len(), "twice: {live:#?}");
    }

    /// Everything that the terminal has shown, in whole lines, with what has scrolled away.
    fn history(&mut self) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut goes_on = false;
        self.screen.screen_mut().set_scrollback(usize::MAX);
        let scrolled = self.screen.screen().scrollback();
        for row in 0..scrolled + usize::from(ROWS) {
            self.screen.screen_mut().set_scrollback(scrolled.saturating_sub(row));
            let at = row.saturating_sub(scrolled);
            let wrapped = self.screen.screen().row_wrapped(at as u16);
            let (mut text, columns) = (self.rows()[at].clone(), usize::from(self.columns()));
            if wrapped {
                text = format!("{text:columns$}");
            }
            match lines.last_mut().filter(|_| goes_on) {
                Some(last) => *last += &text,
                None => lines.push(text),
            }
            goes_on = wrapped;
        }
        lines
    }

    /// The exit code.
    fn end(&mut self) -> Option<i32> {
        assert!(!self.until(|_| false));
        self.hpo.wait().unwrap().code()
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).unwrap()
}

fn size(columns: u16) -> Winsize {
    Winsize {
        ws_row: ROWS,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

/// Whether a row can only be one that is redrawn.
fn is_live(row: &str) -> bool {
    let labels = ["  slot ", "  best ", "  trials ", "  rungs ", "  disk "];
    row.contains(['━', '─', '╸']) || labels.iter().any(|label| row.starts_with(label))
}

#[test]
fn a_search_in_a_terminal_that_is_resized_leaves_nothing_behind_and_loses_no_line() {
    let place = Place::new();
    let file = place.space("s", 27, 2, WHOLE, "");
    let arguments = ["search", file.to_str().unwrap()];
    let mut terminal = Terminal::start(&place, 80, &arguments, &[("HPO_TEST_EPOCH", "0.1")]);
    for columns in [80, 120, 200, 60, 79, 60] {
        terminal.resize(columns);
        let frames = terminal.frames + 3;
        let has_best = |now: &Terminal| now.live().iter().any(|row| row.starts_with("  best    loss "));
        assert!(terminal.until(|now| now.frames >= frames && has_best(now)));
        let live = terminal.live();
        assert!(live[0].starts_with("s ") && live[0].contains(" %"), "{live:#?}");
        assert!(live.iter().any(|row| row.starts_with("  slot 1")), "{live:#?}");
        let longest = live.iter().map(|row| row.chars().count()).max().unwrap();
        assert!(longest < usize::from(columns), "{live:#?}");
        let is_bar = |letter: &char| ['━', '─', '╸'].contains(letter);
        let bars = live.iter().map(|row| row.chars().filter(is_bar).count());
        assert!(columns < 200 || bars.max() == Some(40), "there is room: {live:#?}");
    }
    assert_eq!(terminal.end(), Some(0));
    let history = terminal.history();
    assert!(!history.iter().any(|line| is_live(line)), "{history:#?}");
    let said = |text: &str| history.iter().filter(|line| line.ends_with(text)).count();
    for pruned in place.facts("s", "trial_pruned") {
        let text = format!("trial {}: pruned at epoch {}", pruned["trial"], pruned["rung"]);
        assert_eq!(said(&text), 1, "{text}\n{history:#?}");
    }
    assert_eq!(said("finished: 27 trials"), 1);
}

#[test]
fn the_terminal_is_clean_after_ctrl_c() {
    let place = Place::new();
    let file = place.space("s", 27, 2, WHOLE, "");
    let arguments = ["search", file.to_str().unwrap()];
    let mut terminal = Terminal::start(&place, 80, &arguments, &[("HPO_TEST_EPOCH", "0.05")]);
    assert!(terminal.until(|now| now.live().len() >= 6));
    terminal.master.write_all(b"\x03").unwrap();
    assert_eq!(terminal.end(), Some(130));
    let history = terminal.history();
    assert!(!history.iter().any(|line| is_live(line)), "{history:#?}");
    let stopped = history.iter().position(|line| line.contains("Resume with:")).unwrap();
    assert!(history[stopped + 1].starts_with("  hpo search "), "{history:#?}");
    assert!(history[stopped + 2..].iter().all(String::is_empty), "{history:#?}");
}

/// Where nothing can be redrawn, or nobody looks, there are lines only.
#[test]
fn lines_are_plain_where_nothing_can_be_redrawn() {
    let place = Place::new();
    let file = place.space("s", 3, 1, WHOLE, "");
    let file = file.to_str().unwrap();
    for (name, variable) in [("dumb", ("TERM", "dumb")), ("ci", ("CI", "true"))] {
        let studies = place.path(name);
        let arguments = ["search", file, "--studies", studies.to_str().unwrap()];
        let mut terminal = Terminal::start(&place, 80, &arguments, &[variable, ("NO_COLOR", "1")]);
        assert!(!terminal.until(|_| false));
        let history = terminal.history();
        assert!(
            history.iter().any(|line| line.ends_with("finished: 3 trials")),
            "{history:#?}"
        );
        assert!(!terminal.controlled);
    }
}

#[test]
fn as_much_is_said_as_is_wanted() {
    let place = Place::new();
    let file = place.space("s", 3, 1, WHOLE, "");
    let file = file.to_str().unwrap();
    let search = |name: &str, more: &[&str], environment: &[(&str, &str)]| {
        let studies = place.path(name);
        let arguments = [&["search", file, "--studies", studies.to_str().unwrap()], more].concat();
        let faults = ("HPO_TEST_FAULTS", "1:1:failed");
        let output = place
            .hpo(&arguments)
            .envs([faults])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        assert!(output.status.success());
        (
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (table, usual) = search("usual", &[], &[]);
    assert!(
        usual.contains("trial 0: epoch 1  loss") && !usual.contains("epoch 2  loss"),
        "{usual}"
    );
    assert!(!usual.contains('\x1b'), "{usual}");
    let (_, verbose) = search("verbose", &["-v"], &[("CLICOLOR_FORCE", "1")]);
    assert!(
        verbose.contains("epoch 2  loss") && verbose.contains("\x1b["),
        "{verbose}"
    );
    let (result, quiet) = search("quiet", &["--quiet"], &[]);
    let lines: Vec<&str> = quiet.lines().collect();
    assert!(
        lines.len() == 1 && lines[0].contains("trial 1: failed and is tried again"),
        "{quiet}"
    );
    let first = |text: &str| text.lines().nth(3).map(str::to_owned);
    assert_eq!(first(&result), first(&table));
    place
        .run(&["search", file, "-q", "-v"])
        .fails(2, &["cannot be used with"]);
}

/// A study of 9 trials whose parameter `loss` has the name of another column, and with many parameters.
fn wide_study(place: &Place) {
    let file = place.space("s", 9, 2, WHOLE, "");
    let text = std::fs::read_to_string(&file).unwrap();
    let more: String = (0..9)
        .map(|number| format!("parameter_{number} = {{ type = \"uniform\", low = 0, high = 1 }}\n"))
        .collect();
    std::fs::write(
        &file,
        format!("{text}loss = {{ type = \"uniform\", low = 5.0, high = 6.0 }}\n{more}"),
    )
    .unwrap();
    place.search(&file).ok();
}

#[test]
fn a_table_fits_the_terminal_and_a_pipe_gets_all_of_it() {
    let place = Place::new();
    wide_study(&place);
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let piped = place.run(&["trials", "s"]).ok().stdout();
    let head = words(piped.lines().next().unwrap());
    assert_eq!(
        head[..7],
        ["trial", "state", "epochs", "loss", "accuracy", "x", "parameters.loss"]
    );
    assert_eq!(head.len(), 16);
    let shown = |arguments: &[&str]| {
        let mut terminal = Terminal::start(&place, 60, &[&["trials", "s"], arguments].concat(), &[]);
        assert_eq!(terminal.end(), Some(0));
        terminal
            .history()
            .into_iter()
            .filter(|line| !line.is_empty())
            .collect::<Vec<_>>()
    };
    let table = shown(&[]);
    let fits = words(&table[0]).len();
    assert!(
        fits > 4 && table.iter().all(|line| line.chars().count() < 60),
        "{table:#?}"
    );
    let said = format!("{} columns do not fit: --wide shows them", 16 - fits);
    assert_eq!(table.last(), Some(&said));
    assert_eq!(shown(&["--wide"]).join("\n"), piped.trim_end());
    let chosen = shown(&["--columns", "trial,parameters.loss,epochs", "--limit", "2"]);
    assert_eq!(words(&chosen[0]), ["trial", "parameters.loss", "epochs"]);
    let unknown = ["trials", "s", "--columns", "trial,parameter_10"];
    place.run(&unknown).fails(
        2,
        &[
            "no column `parameter_10`",
            "did you mean `parameter_1`?",
            "trained_seconds",
        ],
    );

    let mut history = Terminal::start(&place, 60, &["history"], &[]);
    assert_eq!(history.end(), Some(0));
    assert!(
        history
            .history()
            .iter()
            .any(|line| line.contains("columns do not fit: --wide"))
    );
    let chosen = place.run(&["history", "--columns", "disk,study"]).ok().stdout();
    assert_eq!(words(chosen.lines().next().unwrap()), ["disk", "study"]);
    place
        .run(&["history", "--columns", "model,sise"])
        .fails(2, &["no column `sise`", "disk"]);
}

#[test]
fn trials_are_watched_until_the_study_is_over() {
    let place = Place::new();
    let file = place.space("s", 9, 1, WHOLE, "");
    let mut search = place.start_with(&file, &[("HPO_TEST_EPOCH", "0.3")]);
    assert!(search.wait_for("trial 1: epoch 0", 1));
    let watch = ["trials", "s", "--watch", "--sort", "objective"];
    place.run(&watch).fails(2, &["--watch needs a terminal"]);
    let mut stopped = Terminal::start(&place, 80, &watch, &[]);
    let shows = |now: &Terminal| {
        now.live()
            .iter()
            .any(|row| row.contains("completed") || row.contains("paused"))
    };
    assert!(stopped.until(shows));
    assert!(
        stopped.live()[0].starts_with("study s, running: "),
        "{:#?}",
        stopped.live()
    );
    stopped.master.write_all(b"\x03").unwrap();
    assert_eq!(stopped.end(), Some(130));
    assert!(
        stopped.rows().iter().all(|row| row.is_empty() || row == "^C"),
        "{:#?}",
        stopped.rows()
    );

    let mut watched = Terminal::start(&place, 80, &watch, &[]);
    assert!(watched.until(|now| now.frames > 0));
    assert_eq!(search.wait().0, 0);
    assert_eq!(watched.end(), Some(0));
    let history = watched.history();
    assert_eq!(
        history.iter().filter(|line| line.starts_with(" trial  state ")).count(),
        1,
        "{history:#?}"
    );
    assert!(
        history[0].starts_with("study s, finished: 9 of 9 trials: "),
        "{history:#?}"
    );
}
