//! The `process_*` metrics that every Prometheus dashboard knows, and the runtime's tasks.

use std::fmt;
use std::fs;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::runtime::Handle;

/// Reads `/proc` at each scrape; where there is none, its metrics are absent.
#[derive(Debug)]
pub(crate) struct ProcessCollector {
    pub(crate) runtimes: Runtimes,
}

/// The runtimes whose tasks are counted, besides the one that scrapes. A clone is the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtimes(Arc<Mutex<Vec<Handle>>>);

impl Runtimes {
    pub(crate) fn add(&self, runtime: Handle) {
        self.lock().push(runtime);
    }

    /// All their tasks; `None` where no runtime scrapes.
    fn live_tasks(&self) -> Option<i64> {
        let own = Handle::try_current().ok()?.metrics().num_alive_tasks();
        let of = |runtime: &Handle| runtime.metrics().num_alive_tasks();
        let others: usize = self.lock().iter().map(of).sum();
        i64::try_from(own + others).ok()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Handle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let usage = ProcessUsage::read();
        if let Some(seconds) = usage.cpu_seconds {
            let metric = encoder.encode_descriptor(
                "process_cpu",
                "Processor time spent in user and system mode",
                Some(&Unit::Seconds),
                MetricType::Counter,
            )?;
            ConstCounter::new(seconds).encode(metric)?;
        }
        let gauges = [
            (
                "process_resident_memory",
                Some(&Unit::Bytes),
                "Memory held",
                usage.resident_bytes,
            ),
            (
                "process_open_fds",
                None,
                "Open file descriptors",
                usage.open_fds,
            ),
            (
                "process_max_fds",
                None,
                "The most file descriptors that may be open",
                usage.max_fds,
            ),
            ("process_threads", None, "Threads", usage.threads),
            (
                "aigw_runtime_tasks",
                None,
                "Asynchronous tasks that have not ended",
                self.runtimes.live_tasks(),
            ),
            (
                "process_start_time",
                Some(&Unit::Seconds),
                "When the process started, since the Unix epoch",
                usage.start_time_secs,
            ),
        ];
        for (name, unit, help, value) in gauges {
            if let Some(value) = value {
                let metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
                ConstGauge::new(value).encode(metric)?;
            }
        }
        Ok(())
    }
}

#[derive(Debug, Default)]
struct ProcessUsage {
    cpu_seconds: Option<f64>,
    resident_bytes: Option<i64>,
    open_fds: Option<i64>,
    max_fds: Option<i64>,
    threads: Option<i64>,
    start_time_secs: Option<i64>,
}

impl ProcessUsage {
    fn read() -> Self {
        let file = |path| fs::read_to_string(path).unwrap_or_default();
        let (status, stat) = (file("/proc/self/status"), file("/proc/self/stat"));
        let times = CpuTimes::parse(&stat);
        let booted: Option<i64> = number_after(&file("/proc/stat"), "btime");
        Self {
            cpu_seconds: times
                .as_ref()
                .map(|times| f64::from(times.spent_ticks) / TICKS_PER_SEC),
            resident_bytes: number_after(&status, "VmRSS:").map(|kib: i64| kib * 1024),
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .and_then(|entries| i64::try_from(entries.count()).ok()),
            max_fds: number_after(&file("/proc/self/limits"), "Max open files"),
            threads: number_after(&status, "Threads:"),
            start_time_secs: booted
                .zip(times)
                .map(|(booted, times)| booted + times.started_secs),
        }
    }
}

/// What `/proc` counts processor time in: 100 a second on every Linux that Rust runs on.
const TICKS_PER_SEC: f64 = 100.0;

/// The fields of `/proc/self/stat` that matter here.
#[derive(Debug, PartialEq)]
struct CpuTimes {
    spent_ticks: u32,
    started_secs: i64,
}

impl CpuTimes {
    fn parse(stat: &str) -> Option<Self> {
        // The second field is the program's name in brackets, and it may hold spaces and brackets.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut fields = fields.split_ascii_whitespace().skip(11);
        let user: u32 = fields.next()?.parse().ok()?;
        let system: u32 = fields.next()?.parse().ok()?;
        let started: i64 = fields.nth(6)?.parse().ok()?;
        Some(Self {
            spent_ticks: user.saturating_add(system),
            started_secs: started / 100,
        })
    }
}

/// The first number after `label`, where a line starts with it.
fn number_after<T: FromStr>(text: &str, label: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(label))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{CpuTimes, number_after};

    #[test]
    fn a_program_name_with_brackets_and_spaces_does_not_shift_the_fields() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 9 0 12345 999";
        assert_eq!(
            CpuTimes::parse(stat),
            Some(CpuTimes {
                spent_ticks: 300,
                started_secs: 123
            })
        );
    }

    #[test]
    fn a_cut_file_reads_as_nothing() {
        assert_eq!(CpuTimes::parse("7 (a) S 1 2 3"), None);
        assert_eq!(number_after::<i64>("VmRSS:", "VmRSS:"), None);
        assert_eq!(number_after::<i64>("Threads:\t12\n", "VmRSS:"), None);
    }

    #[test]
    fn a_number_is_read_from_the_line_with_its_label() {
        assert_eq!(
            number_after("Name: x\nVmRSS:\t  2048 kB\n", "VmRSS:"),
            Some(2048)
        );
    }
}
