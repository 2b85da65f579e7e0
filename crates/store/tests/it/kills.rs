//! A process that writes is killed, or runs out of room: what it was told is stored is stored.
//!
//! The writing process is this test binary again, told by the environment where to write.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use ai_gateway_store::{Condition, Store};

use crate::kit::{CANARY, Random, gateway, open, put, rounds, try_put, upstream};

/// The folder that a process of this binary is to write to until it is killed.
const WRITE_TO: &str = "STORE_TEST_WRITE_TO";
/// How often to kill; set it for a longer run.
const KILLS: &str = "STORE_TEST_KILLS";

/// Commits pairs, two records that belong together, and tells `out` each revision that it was
/// given. Ends when a commit fails, or after `limit`; returns the last revision it was given.
async fn write_pairs(store: &Store, limit: usize, mut out: impl Write) -> u64 {
    let mut acked = 0;
    for _ in 0..limit {
        let id = u128::from(store.current().revision()) * 2;
        let pair = [
            gateway(id, &format!("a{id}")),
            upstream(
                id + 1,
                id,
                &format!("b{id}"),
                &CANARY.repeat(1 + usize::try_from(id % 50).unwrap()),
            ),
        ];
        match try_put(store, &pair).await {
            Ok(committed) => {
                acked = committed.revision;
                writeln!(out, "acked {acked}").unwrap();
            }
            Err(error) => {
                writeln!(out, "failed {error}").unwrap();
                break;
            }
        }
        out.flush().unwrap();
    }
    acked
}

/// How many pairs the store holds; each must be whole.
fn pairs(store: &Store) -> u64 {
    let current = store.current();
    let (gateways, upstreams): (Vec<_>, Vec<_>) = current
        .all_records()
        .partition(|record| record.gateway.is_none());
    let firsts: Vec<_> = gateways.iter().map(|record| Some(record.id)).collect();
    let seconds: Vec<_> = upstreams.iter().map(|record| record.gateway).collect();
    assert_eq!(firsts, seconds, "half of a commit");
    u64::try_from(firsts.len()).unwrap()
}

/// What the other tests here run in a process of its own. By itself it shows that the two agree on
/// what a pair is.
#[tokio::test]
async fn the_writing_process_writes_whole_pairs() {
    if let Some(dir) = std::env::var_os(WRITE_TO) {
        let store = open(Path::new(&dir)).await;
        let mut acked = write_pairs(&store, usize::MAX, std::io::stdout()).await;
        // Only a failed write ends it: the store must have noticed, and must not have moved.
        assert_eq!(store.current().revision(), acked);
        assert!(
            matches!(store.condition(), Condition::WritesFail(_)),
            "{store:?}"
        );
        // Each further one opens the store again, which may make room for a few more.
        for _ in 0..20 {
            acked = acked.max(write_pairs(&store, 1, std::io::stdout()).await);
            assert_eq!(store.current().revision(), acked);
        }
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).await;
    assert_eq!(write_pairs(&store, 5, std::io::sink()).await, 5);
    assert_eq!(pairs(&store), 5);
}

fn writer(dir: &Path, mut command: Command) -> (Child, BufReader<ChildStdout>) {
    let mut child = command
        .args([
            "--exact",
            "kills::the_writing_process_writes_whole_pairs",
            "--nocapture",
        ])
        .env(WRITE_TO, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    (child, stdout)
}

/// Returns the newest revision that `line` tells of.
fn acked(line: &str) -> Option<u64> {
    let (_, revision) = line.rsplit_once("acked ")?;
    revision.trim().parse().ok()
}

#[tokio::test]
async fn kill_9_at_any_moment_loses_no_acknowledged_commit() {
    let kills = rounds(KILLS, 40);
    let dir = tempfile::tempdir().unwrap();
    let mut random = Random(11);
    let (mut last_acked, mut unacked) = (0, 0);
    for kill in 0..kills {
        let (mut child, mut stdout) =
            writer(dir.path(), Command::new(std::env::current_exe().unwrap()));
        let mut line = String::new();
        // Some die while they open the store, some after a few commits, each at another moment.
        for _ in 0..random.below(6) {
            line.clear();
            while stdout.read_line(&mut line).unwrap() > 0 && acked(&line).is_none() {
                line.clear();
            }
            last_acked = acked(&line).unwrap_or(last_acked);
        }
        let moment = Duration::from_micros(u64::try_from(random.below(20_000)).unwrap());
        tokio::time::sleep(moment).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let mut rest = String::new();
        stdout.read_to_string(&mut rest).unwrap();
        last_acked = rest
            .lines()
            .filter_map(acked)
            .next_back()
            .unwrap_or(last_acked);

        let store = open(dir.path()).await;
        assert!(
            matches!(store.condition(), Condition::Ready),
            "kill {kill}: {store:?}"
        );
        let revision = store.current().revision();
        // At most the one commit that was under way, which no one was told of.
        assert!(
            (last_acked..=last_acked + 1).contains(&revision),
            "kill {kill}: {last_acked} was acknowledged, {revision} is there"
        );
        assert_eq!(pairs(&store), revision, "kill {kill}");
        unacked += revision - last_acked;
        last_acked = revision;
        store.close().await;
    }
    let summary =
        format!("{kills} kills, {last_acked} commits, {unacked} unacknowledged but whole\n");
    std::io::stdout().write_all(summary.as_bytes()).unwrap();
    assert!(last_acked > u64::try_from(kills).unwrap() / 2, "{summary}");
}

#[tokio::test]
async fn a_disk_without_room_fails_the_commit_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let mut limited = Command::new("sh");
    // Files may grow to 300 blocks of 512 bytes; a write beyond fails, as on a full disk.
    limited
        .args(["-c", "trap '' XFSZ; ulimit -f 300; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap());
    let (mut child, stdout) = writer(dir.path(), limited);
    let lines: Vec<String> = stdout.lines().map(|line| line.unwrap()).collect();
    assert!(child.wait().unwrap().success(), "{lines:?}");
    assert!(
        lines.iter().any(|line| line.contains("failed the ")),
        "{lines:?}"
    );
    let last_acked = lines
        .iter()
        .filter_map(|line| acked(line))
        .next_back()
        .unwrap();
    assert!(last_acked > 5, "{lines:?}");

    let store = open(dir.path()).await;
    assert!(matches!(store.condition(), Condition::Ready), "{store:?}");
    assert_eq!(store.current().revision(), last_acked);
    assert_eq!(pairs(&store), last_acked);
    put(&store, &[gateway(1 << 100, "there is room again")]).await;
}
