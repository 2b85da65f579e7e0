//! What the tests of this program share.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

/// The upstream of the guide.
pub(crate) const SEED: &str = include_str!("../../testdata/seeds-upstream.json");

/// An Admin API of its own, stopped when dropped.
pub(crate) struct Api {
    process: Child,
    url: String,
    dir: tempfile::TempDir,
}

/// What a run of the program left.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Api {
    /// Starts one on a new store, with a gateway called `main` in it.
    pub(crate) fn start() -> Self {
        let api = Self::empty();
        api.ok("create gateway main");
        api
    }

    /// Starts one on a new store.
    pub(crate) fn empty() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (process, url) = serve(&dir.path().join("data"), None);
        Self { process, url, dir }
    }

    /// Stops it as `kill -9` does, and starts it again on the same store.
    pub(crate) fn restart(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let (process, url) = serve(&self.data_dir(), None);
        self.process = process;
        self.url = url;
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// Writes a file beside the store; returns its path.
    pub(crate) fn file(&self, name: &str, contents: &str) -> String {
        let path = self.dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, contents).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs the program against this Admin API; `line` is cut at spaces.
    pub(crate) fn run(&self, line: &str) -> Run {
        self.run_with(line, &[], "")
    }

    /// The same with more in the environment, and on standard input.
    pub(crate) fn run_with(&self, line: &str, env: &[(&str, &str)], stdin: &str) -> Run {
        let mut command = program();
        command
            .args(line.split_whitespace())
            .env("AIGW_ADMIN_URL", &self.url)
            .envs(env.iter().copied());
        let output = assert_cmd::Command::from_std(command)
            .write_stdin(stdin)
            .output()
            .unwrap();
        Run::of(&output)
    }

    /// Runs it where it must succeed without a message of any kind; returns standard output.
    #[track_caller]
    pub(crate) fn ok(&self, line: &str) -> String {
        let run = self.run(line);
        assert_eq!(
            (run.code, run.stderr.as_str()),
            (0, ""),
            "{line}: {}",
            run.stdout
        );
        run.stdout
    }

    /// Runs it where it must fail, with nothing on standard output; returns standard error.
    #[track_caller]
    pub(crate) fn fails(&self, line: &str, code: i32) -> String {
        let run = self.run(line);
        assert_eq!(
            (run.code, run.stdout.as_str()),
            (code, ""),
            "{line}: {}",
            run.stderr
        );
        run.stderr
    }

    /// Runs it for JSON.
    #[track_caller]
    pub(crate) fn json(&self, line: &str) -> serde_json::Value {
        serde_json::from_str(&self.ok(&format!("{line} -o json"))).unwrap()
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

impl Run {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
}

/// The program, without what the environment of the tests may say to it.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gateway-admin"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AIGW_") {
            command.env_remove(name);
        }
    }
    command
}

/// Starts the Admin API on a free port; returns its address when it listens.
pub(crate) fn serve(data_dir: &Path, token: Option<&str>) -> (Child, String) {
    let mut command = program();
    command
        .args(["serve", "--admin-listen", "127.0.0.1:0", "--data-dir"])
        .arg(data_dir)
        .envs(token.map(|token| ("AIGW_ADMIN_TOKEN", token)))
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let url = line.trim().strip_prefix("Admin API: ");
    (process, url.expect("it listens").to_owned())
}

/// Cuts a table into its cells, which stand at least three spaces apart.
pub(crate) fn cells(table: &str) -> Vec<Vec<String>> {
    table
        .lines()
        .map(|line| {
            line.split("   ")
                .map(str::trim)
                .filter(|cell| !cell.is_empty())
                .map(str::to_owned)
                .collect()
        })
        .collect()
}
