//! The stand-in provider: a process of its own that answers every request as its current program
//! says, in the dialect of the path asked for, at little cost.
//!
//! It takes a program a line on its standard input and answers each with a line of counters; it
//! ends when its standard input does.

use std::{
    cell::{Cell, RefCell},
    io::{BufRead as _, Write as _, stdin, stdout},
    rc::Rc,
    time::Duration,
};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::{JoinSet, LocalSet},
    time::{Instant, sleep_until},
};

use crate::{
    clock,
    http1::{Reads, Wire},
    messages::{self, Dialect, Script},
};

/// What the stand-in does with every request.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) enum Program {
    /// Answers at once with a JSON body of this many bytes.
    Plain {
        /// The body's exact size.
        bytes: usize,
    },
    /// Streams events, the first at once.
    Stream {
        /// Content events in one stream.
        events: u32,
        /// Microseconds between two of them; to the millisecond.
        every_us: u64,
    },
}

/// What the stand-in has seen since it started.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Seen {
    /// Requests read to their end.
    pub(crate) requests: u64,
    /// Bytes of their bodies.
    pub(crate) body_bytes: u64,
}

/// Listens on a free port of the loopback interface, says which in a first line, and serves until
/// the standard input ends.
///
/// # Errors
///
/// When it cannot listen, or a program makes no sense.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(LocalSet::new().run_until(serve()))
}

async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    say(&listener.local_addr()?)?;
    let stage = Rc::new(Stage::new(Program::Plain { bytes: 1024 }));
    let mut lines = input_lines();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted?;
                let stage = Rc::clone(&stage);
                connections.spawn_local(async move { converse(stream, &stage).await });
            }
            line = lines.recv() => {
                let Some(line) = line else { return Ok(()) };
                let program = serde_json::from_str(&line).context("the program is malformed")?;
                stage.set(program);
                say(&serde_json::to_string(&stage.seen.get())?)?;
            }
            // A connection that broke is counted where it was opened.
            Some(_) = connections.join_next() => {}
        }
    }
}

/// The current program with its bodies built, and the counters.
struct Stage {
    program: Cell<Program>,
    openai: RefCell<Rc<Lines>>,
    anthropic: RefCell<Rc<Lines>>,
    seen: Cell<Seen>,
}

/// What one dialect's answers are made of.
struct Lines {
    plain: Vec<u8>,
    script: Script,
}

impl Stage {
    fn new(program: Program) -> Self {
        Self {
            program: Cell::new(program),
            openai: RefCell::new(Rc::new(Lines::new(Dialect::OpenAi, program))),
            anthropic: RefCell::new(Rc::new(Lines::new(Dialect::Anthropic, program))),
            seen: Cell::new(Seen {
                requests: 0,
                body_bytes: 0,
            }),
        }
    }

    fn set(&self, program: Program) {
        self.program.set(program);
        self.openai
            .replace(Rc::new(Lines::new(Dialect::OpenAi, program)));
        self.anthropic
            .replace(Rc::new(Lines::new(Dialect::Anthropic, program)));
    }

    fn count(&self, body_bytes: u64) {
        let seen = self.seen.get();
        self.seen.set(Seen {
            requests: seen.requests + 1,
            body_bytes: seen.body_bytes + body_bytes,
        });
    }
}

impl Lines {
    fn new(dialect: Dialect, program: Program) -> Self {
        let plain = match program {
            Program::Plain { bytes } => {
                let body = messages::answer(dialect, bytes);
                let mut answer = format!(
                    "HTTP/1.1 200 OK\r\n{COMMON_HEAD}content-type: application/json\r\n\
                     content-length: {}\r\n\r\n",
                    body.len()
                )
                .into_bytes();
                answer.extend_from_slice(&body);
                answer
            }
            Program::Stream { .. } => Vec::new(),
        };
        Self {
            plain,
            script: messages::script(dialect),
        }
    }
}

/// Serves one connection until either side closes it.
async fn converse(stream: TcpStream, stage: &Stage) -> anyhow::Result<()> {
    stream.set_nodelay(true)?;
    let mut wire = Wire::new(stream, Reads::Requests);
    loop {
        let mut body_bytes = 0;
        let Some(head) = wire.read(|piece| body_bytes += piece.len() as u64).await? else {
            return Ok(());
        };
        stage.count(body_bytes);
        let lines = if head.is_messages {
            &stage.anthropic
        } else {
            &stage.openai
        };
        let lines = Rc::clone(&lines.borrow());
        match stage.program.get() {
            Program::Plain { .. } => wire.write(&lines.plain).await?,
            Program::Stream { events, every_us } => {
                let every = Duration::from_micros(every_us);
                play(&mut wire, &lines.script, events, every).await?;
            }
        }
        if head.closes {
            return Ok(());
        }
    }
}

/// Writes one stream, each event in a write of its own.
async fn play(
    wire: &mut Wire,
    script: &Script,
    events: u32,
    every: Duration,
) -> anyhow::Result<()> {
    let start = Instant::now();
    let head = format!(
        "HTTP/1.1 200 OK\r\n{COMMON_HEAD}content-type: text/event-stream\r\n\
         cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut out = Vec::with_capacity(2048);
    out.extend_from_slice(head.as_bytes());
    push_chunk(&mut out, &script.opening);
    for index in 0..events {
        if index > 0 && !every.is_zero() {
            sleep_until(start + every * index).await;
        }
        let mark = messages::mark(clock::stamp_ns());
        push_chunk(
            &mut out,
            &[&*script.before_mark, &mark, &script.after_mark].concat(),
        );
        wire.write(&out).await?;
        out.clear();
    }
    push_chunk(&mut out, &script.closing);
    out.extend_from_slice(b"0\r\n\r\n");
    wire.write(&out).await
}

fn push_chunk(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes());
}

/// The lines of the standard input, read by a thread of their own.
fn input_lines() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

fn say(line: &impl ToString) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    writeln!(out, "{}", line.to_string())?;
    Ok(out.flush()?)
}

/// What real providers send besides: some headers that a gateway has to carry along.
const COMMON_HEAD: &str = "date: Mon, 01 Jun 2026 12:00:00 GMT\r\nserver: stand-in\r\n\
    x-request-id: req_0123456789abcdef0123456789abcdef\r\nopenai-processing-ms: 12\r\n\
    x-ratelimit-limit-requests: 10000\r\nx-ratelimit-remaining-requests: 9999\r\n";
