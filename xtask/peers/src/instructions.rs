//! How many instructions a pick and its end take, which no other program's work touches: counted by
//! valgrind's cachegrind over this program itself, with few picks and with many.

use std::path::Path;
use std::process::Command;

use crate::pick;

/// The argument that makes the program repeat one case.
pub const LOOP: &str = "repeat";

const SIZES: [usize; 3] = [2, 16, 1000];
const FEW: u32 = 2_000;
const MANY: u32 = 12_000;

pub fn run() {
    println!("| instructions a pick and its end | {} |", SIZES.map(|n| format!("{n} targets")).join(" | "));
    println!("|---|{}", "---:|".repeat(SIZES.len()));
    for (name, _) in pick::CASES {
        let cells = SIZES.map(|n| {
            let more = counted(name, n, MANY) - counted(name, n, FEW);
            format!("{:.0}", more / f64::from(MANY - FEW))
        });
        println!("| {name} | {} |", cells.join(" | "));
    }
}

/// The instructions of this program when it makes so many picks.
fn counted(name: &str, targets: usize, picks: u32) -> f64 {
    let out = std::env::temp_dir().join(format!("picks-{}", std::process::id()));
    let program = std::env::current_exe().expect("a program knows its place");
    let valgrind = Command::new("valgrind")
        .args(["--quiet", "--tool=cachegrind", "--cache-sim=no"])
        .arg(format!("--cachegrind-out-file={}", out.display()))
        .arg(program)
        .args([LOOP, name, &targets.to_string(), &picks.to_string()])
        .output();
    // It warns of caches that it does not know, and says more only when it fails.
    let ended = valgrind.expect("valgrind is missing: apt-get install -y valgrind");
    assert!(ended.status.success(), "valgrind: {}", String::from_utf8_lossy(&ended.stderr));
    let sum = summary(&out);
    std::fs::remove_file(&out).expect("it was just written");
    sum
}

fn summary(out: &Path) -> f64 {
    let text = std::fs::read_to_string(out).expect("cachegrind writes its counts");
    let line = text.lines().find_map(|line| line.strip_prefix("summary: "));
    let count = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    count.expect("cachegrind sums up")
}

/// Makes the picks of one case: its name, the number of targets and of picks.
pub fn repeat(arguments: &[String]) {
    let [name, targets, picks] = arguments else {
        panic!("a case, a number of targets and one of picks");
    };
    let (_, make) = pick::CASES.iter().find(|(known, _)| known == name).expect("a known case");
    let mut act = make(targets.parse().expect("a number"));
    (0..picks.parse().expect("a number")).for_each(|_: u32| act());
}
