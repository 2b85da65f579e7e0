//! Runs a process under callgrind and reads what it counted.

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, ensure};

/// What was counted between two points.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Total {
    /// Instructions executed outside the kernel.
    pub(super) instructions: f64,
    /// Calls to the allocator for memory.
    pub(super) allocations: f64,
    /// What each function executed itself, the most first.
    pub(super) functions: Vec<(String, f64)>,
}

/// What to put before a command, so that its counts go to `directory`, which is emptied.
///
/// # Errors
///
/// When the directory cannot be made anew.
pub(super) fn command(directory: &Path) -> anyhow::Result<Vec<String>> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    let out = format!("--callgrind-out-file={}", output(directory).display());
    let command = [
        "valgrind",
        "--quiet",
        "--tool=callgrind",
        "--trace-children=no",
        &out,
    ];
    Ok(command.map(str::to_owned).to_vec())
}

/// Sets the counts of process `pid` to zero.
///
/// # Errors
///
/// When it does not run under callgrind.
pub(super) fn zero(pid: u32) -> anyhow::Result<()> {
    control("-z", pid)
}

/// Reads the counts of process `pid` since they were zero.
///
/// # Errors
///
/// When it does not run under callgrind, or writes what is not understood.
pub(super) fn dump(pid: u32, directory: &Path) -> anyhow::Result<Total> {
    control("-d", pid)?;
    let newest = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?;
            let part: u32 = name.strip_prefix(OUTPUT)?.strip_prefix('.')?.parse().ok()?;
            Some((part, path))
        })
        .max_by_key(|(part, _)| *part);
    let (_, path) = newest.context("callgrind wrote no counts")?;
    read(&fs::read_to_string(path)?)
}

fn control(what: &str, pid: u32) -> anyhow::Result<()> {
    let output = Command::new("callgrind_control")
        .args([what, &pid.to_string()])
        .output();
    let output = output.context("callgrind_control is missing: apt-get install -y valgrind")?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success() && text.contains("OK"),
        "callgrind_control {what}: {text}"
    );
    Ok(())
}

/// Adds up a file of callgrind's: its total, what each function executed itself, and the calls
/// whose callee allocates.
fn read(text: &str) -> anyhow::Result<Total> {
    let (mut instructions, mut allocations) = (None, 0.0);
    let mut names: HashMap<&str, &str> = HashMap::new();
    let mut functions: HashMap<&str, f64> = HashMap::new();
    let (mut function, mut callee, mut is_of_callee) = ("", "", false);
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("cfn=") {
            callee = resolve(name, &mut names);
        } else if let Some(name) = line.strip_prefix("fn=") {
            function = resolve(name, &mut names);
        } else if let Some(calls) = line.strip_prefix("calls=") {
            let count = calls.split_whitespace().next().unwrap_or("");
            if is_allocator(callee) {
                allocations += count.parse::<f64>()?;
            }
            is_of_callee = true;
        } else if let Some(total) = total(line) {
            instructions = Some(total);
        } else if let Some(cost) = cost(line) {
            if !is_of_callee {
                *functions.entry(function).or_default() += cost;
            }
            is_of_callee = false;
        }
    }
    let instructions = instructions.context("callgrind wrote no total")?;
    let mut functions: Vec<(String, f64)> = functions
        .into_iter()
        .map(|(name, cost)| (name.to_owned(), cost))
        .collect();
    functions.sort_by(|one, other| other.1.total_cmp(&one.1));
    Ok(Total {
        instructions,
        allocations,
        functions,
    })
}

fn total(line: &str) -> Option<f64> {
    let rest = line
        .strip_prefix("totals:")
        .or_else(|| line.strip_prefix("summary:"))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The cost in a line that begins with a position: a number, a distance, or `*` for the same.
fn cost(line: &str) -> Option<f64> {
    let is_position =
        line.starts_with(|first: char| first.is_ascii_digit() || "+-*".contains(first));
    let (_, cost) = line.split_once(' ').filter(|_| is_position)?;
    cost.parse().ok()
}

/// A name is written once, behind a number in brackets, and later by the number alone.
fn resolve<'a>(text: &'a str, names: &mut HashMap<&'a str, &'a str>) -> &'a str {
    match text.split_once(' ') {
        Some((number, name)) => {
            names.insert(number, name);
            name
        }
        None => names.get(text).copied().unwrap_or(text),
    }
}

fn is_allocator(function: &str) -> bool {
    // A recursive call has a number behind its name.
    let function = function.split('\'').next().unwrap_or(function);
    ALLOCATORS.contains(&function)
}

fn output(directory: &Path) -> PathBuf {
    directory.join(OUTPUT)
}

const OUTPUT: &str = "callgrind.out";

/// Of the C library and of mimalloc, as far as a program calls them.
const ALLOCATORS: &[&str] = &[
    "malloc",
    "calloc",
    "realloc",
    "posix_memalign",
    "aligned_alloc",
    "mi_malloc",
    "mi_zalloc",
    "mi_realloc",
    "mi_malloc_aligned",
    "mi_zalloc_aligned",
    "mi_realloc_aligned",
];

#[cfg(test)]
mod tests {
    use super::{Total, read};

    #[test]
    fn costs_and_calls_to_the_allocator_add_up_under_either_form_of_a_name() {
        let text = "events: Ir\n\nfn=(1) main\n1 100\ncfn=(2) malloc\ncalls=3 0\n1 30\n\
            cfn=(3) free\ncalls=9 0\n1 9\n\nfn=(4) other\n1 5\ncfn=(2)\ncalls=4 0\n1 40\n\
            cfn=(5) realloc'2\ncalls=1 0\n1 4\n\ntotals: 188\n";
        let own = [("main", 100.0), ("other", 5.0)];
        let expected = Total {
            instructions: 188.0,
            allocations: 8.0,
            functions: own.map(|(name, cost)| (name.to_owned(), cost)).to_vec(),
        };
        assert_eq!(read(text).expect("well formed"), expected);
    }
}
