//! The processes of a run: started on their core, read out, and ended whatever happens.

use std::{
    fs::{self, File},
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::Context as _;
use rustix::{
    process::{Pid, Signal, kill_process_group},
    thread::{CpuSet, sched_getaffinity, sched_setaffinity},
};

use crate::{
    clock,
    provider::{Program, Seen},
};

/// Where a process may run.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Core {
    /// The first core, which only the process under test has.
    First,
    /// The second, for the load generator and the stand-in.
    Second,
    /// Any.
    Any,
}

/// A started process with all it started; ended when dropped, and also when this process dies.
#[derive(Debug)]
pub(crate) struct Group {
    child: Child,
}

/// What a group has used of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time so far, user and system.
    pub(crate) cpu: Duration,
    /// Resident memory now, in bytes, what its processes share counted once for each.
    pub(crate) resident_bytes: u64,
    /// The same with shared memory divided among those that share it.
    pub(crate) proportional_bytes: u64,
}

impl Group {
    /// Starts `command` on `core` in a group of its own, its output going to the file `log`.
    ///
    /// # Errors
    ///
    /// When the program or the log file cannot be had.
    pub(crate) fn start(command: &[String], core: Core, log: &Path) -> anyhow::Result<Self> {
        let out = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let mut start = bound_to_us(command);
        start
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        Ok(Self {
            child: spawn_on(core, &mut start)?,
        })
    }

    /// What the group uses now.
    pub(crate) fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for pid in self.members() {
            usage.cpu += cpu_of(pid);
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"));
            let rollup = rollup.unwrap_or_default();
            usage.resident_bytes += field_kib(&rollup, "Rss:") * 1024;
            usage.proportional_bytes += field_kib(&rollup, "Pss:") * 1024;
        }
        usage
    }

    /// Processor time so far: cheaper than [`usage`](Self::usage).
    pub(crate) fn cpu(&self) -> Duration {
        self.members().into_iter().map(cpu_of).sum()
    }

    /// Whether the process that was started still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the process that was started has ended, at most for `limit`.
    pub(crate) fn ends_within(&mut self, limit: Duration) -> bool {
        let start = clock::now();
        while self.is_running() {
            if start.elapsed() > limit {
                return false;
            }
            clock::pause(Duration::from_millis(10));
        }
        true
    }

    /// The process that was started.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All processes of the group.
    fn members(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else {
            return Vec::new();
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let pids = names.filter_map(|name| name.parse().ok());
        pids.filter(|pid| group_of(*pid) == Some(self.child.id()))
            .collect()
    }

    fn signal(&self, signal: Signal) {
        if let Some(group) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            // Already gone is as good.
            let _: Result<(), _> = kill_process_group(group, signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::TERM);
        self.ends_within(Duration::from_secs(1));
        self.signal(Signal::KILL);
        // Reaps it; it has been killed.
        let _: Result<_, _> = self.child.wait();
    }
}

/// The stand-in provider, running.
#[derive(Debug)]
pub(crate) struct Provider {
    group: Group,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Provider {
    /// Starts the stand-in on `core`.
    ///
    /// # Errors
    ///
    /// When this program cannot be started again.
    pub(crate) fn start(core: Core) -> anyhow::Result<Self> {
        let this = std::env::current_exe()?.display().to_string();
        let mut start = bound_to_us(&[this, "provider".to_owned()]);
        start.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = spawn_on(core, &mut start)?;
        let input = child.stdin.take().context("the stand-in has no input")?;
        let output = child.stdout.take().context("the stand-in has no output")?;
        let mut output = BufReader::new(output);
        let group = Group { child };
        let mut line = String::new();
        output.read_line(&mut line)?;
        let address = line
            .trim()
            .parse()
            .context("the stand-in said no address")?;
        Ok(Self {
            group,
            input,
            output,
            address,
        })
    }

    /// Gives the stand-in its program, and returns what it has seen.
    ///
    /// # Errors
    ///
    /// When the stand-in is gone.
    pub(crate) fn play(&mut self, program: Program) -> anyhow::Result<Seen> {
        writeln!(self.input, "{}", serde_json::to_string(&program)?)?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        serde_json::from_str(&line).context("the stand-in's counters are malformed")
    }

    /// Processor time it has used so far.
    pub(crate) fn cpu(&self) -> Duration {
        self.group.cpu()
    }
}

/// Allows as many open files as the machine does, here and in what is started from here.
pub(crate) fn lift_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let lifted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    // With fewer files the run says where it ran out.
    let _: Result<(), _> = setrlimit(Resource::Nofile, lifted);
}

/// Keeps this thread, and what it starts, on `core`.
pub(crate) fn stay_on(core: Core) {
    let mut cores = CpuSet::new();
    match core {
        Core::First => cores.set(0),
        Core::Second => cores.set(1),
        Core::Any => (0..CpuSet::MAX_CPU).for_each(|cpu| cores.set(cpu)),
    }
    // On one core there is nothing to choose.
    let _: Result<(), _> = sched_setaffinity(None, &cores);
}

/// `command` in a group of its own that is ended when this process dies, however it dies.
fn bound_to_us(command: &[String]) -> Command {
    let mut bound = Command::new("setpriv");
    bound
        .args(["--pdeathsig", "TERM", "--"])
        .args(command)
        .process_group(0);
    bound
}

/// A started process inherits its cores from the thread that starts it.
fn spawn_on(core: Core, command: &mut Command) -> anyhow::Result<Child> {
    let before = sched_getaffinity(None)?;
    stay_on(core);
    let child = command.spawn();
    sched_setaffinity(None, &before)?;
    child.with_context(|| format!("starting {:?}", command.get_program()))
}

/// The process group of `pid`: the third field behind the parenthesised name.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(2)?
        .parse()
        .ok()
}

/// Processor time of all threads of `pid`, to the nanosecond.
fn cpu_of(pid: u32) -> Duration {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Duration::ZERO;
    };
    let nanoseconds = threads.filter_map(|thread| {
        let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split_whitespace().next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanoseconds.sum())
}

fn field_kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or(0)
}
